"""The logarithm of code, ``log(u) = k log(2) + log(m)`` with ``u = 2^k m``, and the proof of its relative error.

k is read from the bits of u, so that m lies about 1: from ``sqrt(1/2)`` to ``sqrt(2)``. With ``s = (m - 1) / (m + 1)``,
``log(m) = 2 atanh(s) = s q(s^2)``, and ``m - 1`` is exact. Near u = 1, where the logarithm vanishes, k is 0 and nothing
cancels; elsewhere the result is at least half of ``log(2)``.
"""

from fractions import Fraction
from functools import cache

from flint import arb

from rational_approx.arithmetic.floats import FORMATS, round_to
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.fitting.front import fit
from rational_approx.kernels.kernel import Function
from rational_approx.kernels.scheme import PLAIN, Scheme
from rational_approx.kernels.series import gap, polynomial_error, read_scheme
from rational_approx.programs.program import INPUT, Constant

__all__ = ["logarithm", "logarithm_degree", "logarithm_error", "middle"]

LOG2 = Fraction("0.6931471805599453094172321214581765680755001343602552541206800094933936")
SIZE = Fraction(17158, 100000)
"""A little more than the largest size of s, ``3 - sqrt(8)``."""
DEGREES = {"float32": 3, "float64": 9}
"""The largest degree of q."""


def middle(inner: str) -> Fraction:
    """The number of a format next to ``sqrt(1/2)``."""
    return round_to(Fraction(7071067811865475244, 10**19), inner)


@cache
def _coefficients(degree: int, inner: str) -> tuple[tuple[Fraction, ...], float]:
    """q in a format, near-best relative to the logarithm, and its error."""
    best = fit("2 * atanh(x)", (2 * degree + 1, 0), (-SIZE, SIZE), weight="relative")
    return best.rounded(inner, "monomial").numerator[1::2], float(best.error)


def logarithm_degree(error: float, inner: str) -> int:
    """The least degree of q whose relative error is below a bound."""
    most = DEGREES[inner]
    return next((d for d in range(1, most) if _coefficients(d, inner)[1] <= error), most)


def logarithm(name: str, degree: int, inner: str, scheme: Scheme = PLAIN) -> Function:
    """The operations of a logarithm in a format, with a polynomial of some degree."""
    return _written(name, round_to(LOG2, inner), _coefficients(degree, inner)[0], scheme)


def _written(name: str, log2: Fraction, q: tuple[Fraction, ...], scheme: Scheme) -> Function:
    writer = scheme.writer()
    k = writer.do("exponent", INPUT)
    m = writer.do("scale", INPUT, writer.do("sub", Constant(Fraction(0)), k))
    over = writer.do("sub", m, Constant(Fraction(1)))
    s = writer.do("div", over, writer.do("add", over, Constant(Fraction(2))))
    inner = writer.do("mul", writer.polynomial(q, writer.do("mul", s, s)), s)
    value = writer.multiply_add(k, Constant(log2), inner)
    about = f"k log(2) + s q(s^2), x = 2^k m, s = (m - 1) / (m + 1), q of degree {len(q) - 1}"
    return Function(name, tuple(writer.steps), value, about)


@cache
def logarithm_error(function: Function, inner: str) -> Fraction:
    """A bound of ``abs(E(u) / log(u) - 1)`` for all normal positive numbers u of the format; E(1) is 0.

    Raises
    ------
    ArithmeticError
        where the operations are not those of :func:`logarithm`.
    """
    log2, q, scheme = _read(function)
    with working_bits(200):
        share, c = arb(2) ** -FORMATS[inner][0], to_arb(middle(inner))
        size = ((1 - c) / (1 + c)).max((2 * c - 1) / (2 * c + 1)).upper()
        reach = (size * (1 + 4 * share)) ** 2
        series = [2 / arb(2 * k + 1) for k in range(40)]
        rest = 2 * reach ** len(series)
        # 2 atanh(s) / s is at least 2, and moves by less than a share of s itself where s does.
        polynomial = (gap(q, series, rest, reach) + polynomial_error(q, reach, share, share, scheme)) / 2
        slope = 1 / (1 - reach)
        log_m = (1 + polynomial) * (1 + 2 * share * (1 + share) * slope) * (1 + share) - 1
        # Where k is not 0: k log(2) is off by its constant and a rounding, and the sum is at least (abs(k) - 1/2)
        # log(2), up to how far c is from sqrt(1/2). The worst is abs(k) = 1.
        true = arb(2).log()
        constant = abs(to_arb(log2) / true - 1) + share * (1 + share)
        largest = abs(c.log()).max((2 * c).log())
        error = (true * constant + largest * log_m) / (true - largest)
        total = error.max(log_m) * (1 + share) + share
        return to_fraction(total.upper()) * (1 + Fraction(1, 2**20))


def _read(function: Function) -> tuple[Fraction, tuple[Fraction, ...], Scheme]:
    # The constants of the operations, which written down again must give the same operations.
    found = [which.value for _, names in function.steps[5:] for which in names if isinstance(which, Constant)]
    for scheme, q in read_scheme(function, found[:-1]):
        again = _written(function.name, found[-1], q, scheme)
        if (again.steps, again.result) == (function.steps, function.result):
            return found[-1], q, scheme
    raise ArithmeticError(f"the operations of {function.name} are not those of a logarithm with its reduction")
