"""The exponential of code, ``exp(u) = 2^n exp(r)``, and the proof of its relative error.

``n`` is the integer nearest to ``u / log(2)``: adding and subtracting ``M = 1.5 2^(bits - 1)`` rounds to an integer,
since numbers next to M are 1 apart. ``r = u - n log(2)`` is calculated as ``(u - n L1) - n L2`` (Cody & Waite 1980): L1
has so few bits that ``n L1`` is exact. A polynomial p follows exp on ``abs(r) <= log(2)/2``, and the result is
``2^n p(r)``.
"""

from fractions import Fraction
from functools import cache

from flint import arb, arb_poly

from rational_approx.arithmetic.floats import FORMATS, round_to
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.fitting.front import fit
from rational_approx.kernels.kernel import Function
from rational_approx.kernels.scheme import PLAIN, Scheme
from rational_approx.kernels.series import polynomial_error, read_scheme
from rational_approx.programs.program import INPUT, Constant

__all__ = ["FIRST_BITS", "LOG2", "REACH", "REDUCED", "degree_for", "exp_distance", "exponential", "exponential_error"]

LOG2 = Fraction("0.6931471805599453094172321214581765680755001343602552541206800094933936")
REDUCED = Fraction(35, 100)
"""A little more than log(2)/2: t is rounded before n is taken."""
FIRST_BITS = {"float32": 16, "float64": 40}
"""Bits of L1: with those of n, 8 and 11, no more than the format has."""
REACH = {"float32": Fraction(85), "float64": Fraction(700)}
"""The exponential is proved for arguments up to this size: within it no result is subnormal."""
DEGREES = {"float32": 6, "float64": 10}
"""The largest degree of p."""


@cache
def _coefficients(degree: int, inner: str) -> tuple[tuple[Fraction, ...], float]:
    """The polynomial p in a format, near-best relative to exp, and its error."""
    best = fit("exp(x)", (degree, 0), (-REDUCED, REDUCED), weight="relative")
    return best.rounded(inner, "monomial").numerator, float(best.error)


def degree_for(error: float, inner: str) -> int:
    """The least degree of p whose relative error is below a bound."""
    most = DEGREES[inner]
    return next((d for d in range(2, most) if _coefficients(d, inner)[1] <= error), most)


def exponential(degree: int, inner: str, scheme: Scheme = PLAIN) -> Function:
    """The operations of ``exp`` in a format, with a polynomial of some degree."""
    first = Fraction(int(LOG2 * 2 ** FIRST_BITS[inner]), 2 ** FIRST_BITS[inner])
    rest = round_to(LOG2 - first, inner)
    return _written(round_to(1 / LOG2, inner), first, rest, _coefficients(degree, inner)[0], inner, scheme)


def _written(
    inverse: Fraction, first: Fraction, rest: Fraction, p: tuple[Fraction, ...], inner: str, scheme: Scheme
) -> Function:
    writer, magic = scheme.writer(), Constant(Fraction(3 * 2 ** (FORMATS[inner][0] - 2)))
    n = writer.do("sub", writer.multiply_add(INPUT, Constant(inverse), magic), magic)
    r = writer.multiply_sub(INPUT, n, first)
    r = writer.multiply_sub(r, n, rest)
    value = writer.do("scale", writer.polynomial(p, r), n)
    return Function("exp", tuple(writer.steps), value, f"2^n p(r), x = n log(2) + r, p of degree {len(p) - 1}")


@cache
def exponential_error(function: Function, inner: str) -> Fraction:
    """A bound of ``abs(E(u) / exp(u) - 1)`` for all numbers u of the format with ``abs(u) <= REACH``.

    Raises
    ------
    ArithmeticError
        where the operations are not those of :func:`exponential`.
    """
    (inverse, first, rest), p, scheme = _read(function, inner)
    bits, half = FORMATS[inner][0], Fraction(1, 2 ** FORMATS[inner][0])  # rounding moves by a share of half at most
    most = int(REACH[inner] / LOG2) + 2
    if (first * 2 ** FIRST_BITS[inner]).denominator > 1 or most * first * 2 ** FIRST_BITS[inner] >= 2**bits:
        raise ArithmeticError("n L1 is not exact")
    with working_bits(200):
        log2, u, share = arb(2).log(), to_arb(REACH[inner]), to_arb(half)
        # n against u / log(2): the constant, and the rounding of t
        off = u * (abs(to_arb(inverse) - 1 / log2) + to_arb(inverse) * share) + share
        largest = log2 * (arb(1) / 2 + off)  # of u - n log(2)
        slip = most * abs(log2 - to_arb(first) - to_arb(rest))
        # The roundings of u - n L1, of n L2, and of their difference
        inner_sum = largest + most * abs(to_arb(rest)) + slip
        slip += share * (inner_sum + most * abs(to_arb(rest)) + 2 * (largest + inner_sum * share))
        r = (largest + slip).upper()
        approximate = exp_distance(p, r)
        rounding = polynomial_error(p, r, arb(0), share, scheme, share * share)  # the last one for subnormal numbers
        # E / exp(u) = (p(r) + rounding) / exp(r) exp(slip), and 1 / exp(r) <= exp(abs(r)).
        total = (1 + approximate + rounding * r.exp()) * slip.exp() - 1
        return to_fraction(total.upper()) * (1 + Fraction(1, 2**20))


def _read(function: Function, inner: str) -> tuple[tuple[Fraction, Fraction, Fraction], tuple[Fraction, ...], Scheme]:
    # The constants of the operations, which written down again must give the same operations.
    found = [which.value for _, names in function.steps for which in names if isinstance(which, Constant)]
    for scheme, p in read_scheme(function, found[5:]):
        inverse, first, rest = found[0], *map(abs, found[3:5])
        again = _written(inverse, first, rest, p, inner, scheme)
        if (again.steps, again.result) == (function.steps, function.result):
            return (inverse, first, rest), p, scheme
    raise ArithmeticError(f"the operations of {function.name} are not those of an exponential with its reduction")


def exp_distance(p: tuple[Fraction, ...], r: arb) -> arb:
    """A bound of ``abs(p / exp - 1)`` for arguments up to r in size."""
    worst, parts = arb(0), 16
    for k in range(parts):
        centre, h = r * (2 * k + 1 - parts) / parts, r / parts
        worst = worst.max(_relative(p, centre.mid(), (h * (1 + arb(2) ** -60)).upper()))
    return worst.upper()


def _relative(p: tuple[Fraction, ...], centre: arb, h: arb) -> arb:
    # p(m + s) exp(-m) - exp(s), coefficient by coefficient: the rest of exp(s) is below twice its first term.
    shifted = arb_poly(list(map(to_arb, p)))(arb_poly([centre, 1]))
    total, term = arb(0), arb(1)
    for k in range(len(p) + 24):
        own = shifted[k] if k < len(p) else arb(0)
        total += abs(own * (-centre).exp() - term) * h**k
        term = term / (k + 1)
    total += 2 * term * h ** (len(p) + 24)
    return (total * h.exp()).upper()
