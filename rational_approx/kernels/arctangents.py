"""The arctangent of code, ``atan(u) = 4 atan(t)`` with t two half-angles further, and the proof of its relative error.

``tan(a / 2) = tan(a) / (1 + sqrt(1 + tan(a)^2))`` brings every number into ``[-1, 1]``, and once more into
``[-tan(pi/8), tan(pi/8)]``, without a branch and without a loss of relative accuracy; there ``4 atan(t) = t q(t^2)``.
"""

from fractions import Fraction
from functools import cache

from flint import arb

from rational_approx.arithmetic.floats import FORMATS
from rational_approx.arithmetic.precision import to_fraction, working_bits
from rational_approx.fitting.front import fit
from rational_approx.kernels.kernel import Function
from rational_approx.kernels.scheme import PLAIN
from rational_approx.kernels.series import gap, polynomial_error
from rational_approx.programs.program import INPUT, Constant, Operand, Writer

__all__ = ["arctangent", "arctangent_degree", "arctangent_error"]

SIZE = Fraction(41422, 100000)
"""A little more than ``tan(pi/8)``."""
DEGREES = {"float32": 4, "float64": 9}
"""The largest degree of q."""
TERMS = 90


@cache
def _coefficients(degree: int, inner: str) -> tuple[tuple[Fraction, ...], float]:
    """q in a format, near-best relative to four times the arctangent, and its error."""
    best = fit("4 * atan(x)", (2 * degree + 1, 0), (-SIZE, SIZE), weight="relative")
    return best.rounded(inner, "monomial").numerator[1::2], float(best.error)


def arctangent_degree(error: float, inner: str) -> int:
    """The least degree of q whose relative error is below a bound."""
    most = DEGREES[inner]
    return next((d for d in range(1, most) if _coefficients(d, inner)[1] <= error), most)


def arctangent(name: str, degree: int, inner: str) -> Function:
    """The operations of an arctangent in a format, with a polynomial of some degree."""
    return _written(name, _coefficients(degree, inner)[0])


def _written(name: str, q: tuple[Fraction, ...]) -> Function:
    writer, one = Writer(fma=False), Constant(Fraction(1))
    t: Operand = INPUT
    for _ in range(2):
        root = writer.do("sqrt", writer.do("add", writer.do("mul", t, t), one))
        t = writer.do("div", t, writer.do("add", root, one))
    value = writer.do("mul", writer.horner(q, writer.do("mul", t, t)), t)
    about = f"t q(t^2), x = tan(a), t = tan(a / 4), q of degree {len(q) - 1}"
    return Function(name, tuple(writer.steps), value, about)


@cache
def arctangent_error(function: Function, inner: str) -> Fraction:
    """A bound of ``abs(E(u) / atan(u) - 1)`` for numbers u of the format, but 0, whose squares do not overflow and
    which are large enough for t not to be subnormal.

    Raises
    ------
    ArithmeticError
        where the operations are not those of :func:`arctangent`.
    """
    found = [which.value for _, names in function.steps[10:] for which in names if isinstance(which, Constant)]
    q = tuple(reversed(found))
    again = _written(function.name, q) if q else function
    if not q or (again.steps, again.result) != (function.steps, function.result):
        raise ArithmeticError(f"the operations of {function.name} are not those of an arctangent with its reduction")
    with working_bits(200):
        share = arb(2) ** -FORMATS[inner][0]
        # A half-angle: the square is off by a share, their sum by another, the root by half of both and one of its own,
        # the sum and the quotient by one each. A subnormal square vanishes beside 1. What t is off before it is off
        # after, at most: the logarithm of the half-angle's tangent grows no faster than that of the angle's.
        half = (1 + share) ** 4 / (1 - share) - 1
        moved = (1 + half) ** 2 - 1
        reach = ((arb.pi() / 8).tan() * (1 + moved)) ** 2
        series = [4 * (-1) ** k / arb(2 * k + 1) for k in range(TERMS)]
        near = gap(q, series, 4 * reach**TERMS, reach) + polynomial_error(q, reach, share, share, PLAIN)
        near = near / (4 * (1 - reach / 3))  # 4 atan(t) / t is at least that
        total = (1 + near) * (1 + moved) * (1 + share) - 1
        return to_fraction(total.upper()) * (1 + Fraction(1, 2**20))
