"""``expm1`` and ``log1p`` of code: the exponential and the logarithm without the 1 that hides small results.

With ``u = n log(2) + r`` as in :mod:`kernels.reductions`, ``exp(u) - 1 = 2^n r p(r) + (2^n - 1)``: for n = 0 this is
``r p(r)``, and elsewhere the sum is at least a fifth of ``2^n``. With ``k = exponent(1 + u)`` as in
:mod:`kernels.logarithms`, ``d = (u - (2^k - 1)) 2^-k`` is ``m - 1`` of ``1 + u = 2^k m``: for k = 0 it is u itself,
without the rounding of ``1 + u``.
"""

from fractions import Fraction
from functools import cache

from flint import arb

from rational_approx.arithmetic.floats import FORMATS, round_to
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.fitting.front import fit
from rational_approx.kernels.kernel import Function
from rational_approx.kernels.logarithms import LOG2, SIZE, logarithm, middle
from rational_approx.kernels.reductions import FIRST_BITS, REACH, REDUCED
from rational_approx.kernels.scheme import PLAIN
from rational_approx.kernels.series import gap, polynomial_error
from rational_approx.programs.program import INPUT, Constant, Writer

__all__ = ["expm1", "expm1_degree", "expm1_error", "log1p", "log1p_error"]

DEGREES = {"float32": 5, "float64": 10}
"""The largest degree of p."""
ONE = Constant(Fraction(1))


@cache
def _coefficients(degree: int, inner: str) -> tuple[tuple[Fraction, ...], float]:
    """p in a format, with r p(r) near-best relative to ``exp(r) - 1``, and its error."""
    best = fit("expm1(x)", (degree + 1, 0), (-REDUCED, REDUCED), weight="relative")
    return best.rounded(inner, "monomial").numerator[1:], float(best.error)


def expm1_degree(error: float, inner: str) -> int:
    """The least degree of p whose relative error is below a bound."""
    most = DEGREES[inner]
    return next((d for d in range(1, most) if _coefficients(d, inner)[1] <= error), most)


def expm1(name: str, degree: int, inner: str) -> Function:
    """The operations of ``expm1`` in a format, with a polynomial of some degree."""
    first = Fraction(int(LOG2 * 2 ** FIRST_BITS[inner]), 2 ** FIRST_BITS[inner])
    constants = round_to(1 / LOG2, inner), first, round_to(LOG2 - first, inner)
    return _written(name, constants, _coefficients(degree, inner)[0], inner)


Three = tuple[Fraction, Fraction, Fraction]


def _written(name: str, constants: Three, p: tuple[Fraction, ...], inner: str) -> Function:
    writer, magic = Writer(fma=False), Constant(Fraction(3 * 2 ** (FORMATS[inner][0] - 2)))
    inverse, first, rest = map(Constant, constants)
    n = writer.do("sub", writer.do("add", writer.do("mul", INPUT, inverse), magic), magic)
    r = writer.do("sub", INPUT, writer.do("mul", n, first))
    r = writer.do("sub", r, writer.do("mul", n, rest))
    value = writer.do("scale", writer.do("mul", writer.horner(p, r), r), n)
    value = writer.do("sub", value, writer.do("sub", ONE, writer.do("scale", ONE, n)))  # -0 - 0 is -0, -0 + 0 is 0
    about = f"2^n r p(r) - (1 - 2^n), x = n log(2) + r, p of degree {len(p) - 1}"
    return Function(name, tuple(writer.steps), value, about)


@cache
def expm1_error(function: Function, inner: str) -> Fraction:
    """A bound of ``abs(E(u) / expm1(u) - 1)`` for all numbers u of the format with ``abs(u) <= REACH``, but 0.

    Raises
    ------
    ArithmeticError
        where the operations are not those of :func:`expm1`.
    """
    (inverse, first, rest), p = _read(function, inner)
    bits = FORMATS[inner][0]
    most = int(REACH[inner] / LOG2) + 2
    if (first * 2 ** FIRST_BITS[inner]).denominator > 1 or most * first * 2 ** FIRST_BITS[inner] >= 2**bits:
        raise ArithmeticError("n L1 is not exact")
    with working_bits(200):
        log2, u, share = arb(2).log(), to_arb(REACH[inner]), arb(2) ** -bits
        off = u * (abs(to_arb(inverse) - 1 / log2) + to_arb(inverse) * share) + share
        largest = log2 * (arb(1) / 2 + off)
        slip = most * abs(log2 - to_arb(first) - to_arb(rest))
        inner_sum = largest + most * abs(to_arb(rest)) + slip
        slip += share * (inner_sum + most * abs(to_arb(rest)) + 2 * (largest + inner_sum * share))
        r = (largest + slip).upper()
        # Relative to (exp(r) - 1) / r, which is at least (1 - exp(-r)) / r.
        near = (_distance(p, r) + polynomial_error(p, r, arb(0), share, PLAIN)) * r / (1 - (-r).exp())
        near = (1 + near) * (1 + share) - 1
        # Beyond n = 0: of 2^n the sum is at least 0.207 (n = 1: exp(u) - 1 with u >= log(2)/2), and of 1 at least 0.292
        # (n = -1); what is scaled may be subnormal, which is less than a share.
        free = ((log2 * (arb(1) / 2 - off)).exp() - 1) / 2
        top = r.exp()
        beyond = ((top - 1) * near + top * slip * (1 + near) + 2 * share) / free
        total = near.max(beyond) * (1 + share) + share
        return to_fraction(total.upper()) * (1 + Fraction(1, 2**20))


def _read(function: Function, inner: str) -> tuple[Three, tuple[Fraction, ...]]:
    # The constants of the operations, which written down again must give the same operations.
    found = [which.value for _, names in function.steps for which in names if isinstance(which, Constant)]
    if len(found) >= 8:
        constants, p = (found[0], found[3], found[4]), tuple(reversed(found[5:-2]))
        again = _written(function.name, constants, p, inner)
        if (again.steps, again.result) == (function.steps, function.result):
            return constants, p
    raise ArithmeticError(f"the operations of {function.name} are not those of expm1 with its reduction")


def _distance(p: tuple[Fraction, ...], reach: arb) -> arb:
    """A bound of ``abs(p(r) - (exp(r) - 1) / r)`` for ``abs(r) <= reach``."""
    series, term = [], arb(1)
    for k in range(len(p) + 24):
        term = term / (k + 1)
        series.append(term)
    rest = 2 * term * reach ** len(series)
    flipped = tuple((-1) ** k * c for k, c in enumerate(p)), [(-1) ** k * c for k, c in enumerate(series)]
    return gap(p, series, rest, reach).max(gap(*flipped, rest, reach))


# -- log1p -----------------------------------------------------------------------------------------------------------


def log1p(name: str, degree: int, inner: str) -> Function:
    """The operations of ``log1p`` in a format, with the polynomial of :func:`kernels.logarithms.logarithm`."""
    found = [which.value for _, names in logarithm("log", degree, inner).steps[5:] for which in names
             if isinstance(which, Constant)]  # fmt: skip
    return _written_log1p(name, found[-1], tuple(reversed(found[:-1])))


def _written_log1p(name: str, log2: Fraction, q: tuple[Fraction, ...]) -> Function:
    writer = Writer(fma=False)
    k = writer.do("exponent", writer.do("add", INPUT, ONE))
    over = writer.do("sub", INPUT, writer.do("sub", writer.do("scale", ONE, k), ONE))
    back = writer.do("sub", Constant(Fraction(0)), k)
    d = writer.do("scale", over, back)
    s = writer.do("div", d, writer.do("add", d, Constant(Fraction(2))))
    inner = writer.do("mul", writer.horner(q, writer.do("mul", s, s)), s)
    value = writer.do("add", writer.do("mul", back, Constant(-log2)), inner)
    about = f"k log(2) + s q(s^2), 1 + x = 2^k m, s = (m - 1) / (m + 1), q of degree {len(q) - 1}"
    return Function(name, tuple(writer.steps), value, about)


@cache
def log1p_error(function: Function, inner: str) -> Fraction:
    """A bound of ``abs(E(u) / log1p(u) - 1)`` for all numbers ``u > -1`` of the format, but 0, that are neither within
    16 times the smallest normal number nor above a quarter of the largest one.

    Raises
    ------
    ArithmeticError
        where the operations are not those of :func:`log1p`.
    """
    found = [which.value for _, names in function.steps[8:] for which in names if isinstance(which, Constant)]
    log2, q = (-found[-1], tuple(reversed(found[:-1]))) if len(found) > 2 else (Fraction(0), (Fraction(0),))
    again = _written_log1p(function.name, log2, q)
    if (again.steps, again.result) != (function.steps, function.result) or len(q) < 2:
        raise ArithmeticError(f"the operations of {function.name} are not those of log1p with its reduction")
    with working_bits(200):
        share, c = arb(2) ** -FORMATS[inner][0], to_arb(middle(inner))
        # k is that of the rounded 1 + u, so that m may lie a share beyond.
        low, high = c * (1 - 2 * share), 2 * c * (1 + 2 * share)
        size = ((1 - low) / (1 + low)).max((high - 1) / (high + 1)).upper()
        reach = (size * (1 + 8 * share)) ** 2
        assert reach < to_arb(SIZE) ** 2 * (1 + arb(2) ** -10)
        series = [2 / arb(2 * k + 1) for k in range(40)]
        polynomial = (
            gap(q, series, 2 * reach ** len(series), reach) + polynomial_error(q, reach, share, share, PLAIN)
        ) / 2
        slope = 1 / (1 - reach)
        log_m = (1 + polynomial) * (1 + 2 * share * (1 + share) * slope) * (1 + share) - 1
        # Where k is not 0, 2^k - 1 and the difference are rounded: m is off by 1.5 shares, and its logarithm by at most
        # that over the smallest m.
        slip = arb(3) / 2 * share * (1 + 4 * share) / (low - 2 * share)
        true = arb(2).log()
        constant = abs(to_arb(log2) / true - 1) + share * (1 + share)
        largest = abs(low.log()).max(high.log())
        error = (true * constant + largest * log_m + slip * (1 + log_m)) / (true - largest)
        total = error.max(log_m) * (1 + share) + share
        return to_fraction(total.upper()) * (1 + Fraction(1, 2**20))
