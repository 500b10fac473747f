"""Gaps of the domain around zeros of the target that no rational with rational coefficients shares.

Where the weight is infinite, as ``1 / abs(f)`` is at a zero z of f, the error is finite only if r vanishes at z, too.
At pi/2 a rational with rational coefficients does not, however near to it its own zero lies. But nobody calculates at
pi/2: it lies between two neighbouring numbers of any format. So the open interval between these two is left out of the
domain. What is fitted and proved then holds at every number of the format, and the error next to z is finite only
because r vanishes so near to z.

The same structure is there where a domain that a user gives ends beside a zero, as (0, 1.5707963267948966) does for
cos(x). :func:`zeros_beside` finds both.
"""

from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from itertools import pairwise
from math import floor, inf, log, log2, log10, nextafter
from typing import NamedTuple

from rational_approx.arithmetic.domain import Domain, End, finite
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.expressions.expression import Expression, ExpressionError
from rational_approx.expressions.holes import vanishes
from rational_approx.expressions.roots import roots
from rational_approx.targets.piece import Piece

__all__ = ["Gap", "bits_of", "irrational_zeros", "neighbours", "without", "zeros_beside"]

FLOAT64 = 53
MOST_BITS = 300
NEAREST = Fraction(1, 2**300)
"""Zeros are located within ``2**-400``: a number so near to one may be the zero itself."""
INFINITE = 2**100
"""A weight of this size, where f is next to nothing, is infinite at a zero that is known to ``2**-400`` only."""
BITS = 900
APART, NARROWEST = Fraction(1, 2**20), Fraction(1, 2**36)
"""The least distances of two zeros, and of a zero and an end, in comparison with the numbers there."""
BESIDE = Fraction(1, 2**20)
"""How near to an end, as a share of its interval, a zero beyond it is one beside the domain."""


class Gap(NamedTuple):
    """A zero of the target, within ``2**-380``, and the ends of the domain below and above it; None without one."""

    zero: Fraction
    lower: Fraction | None
    upper: Fraction | None

    def __str__(self) -> str:
        assert self.lower is not None and self.upper is not None
        digits = max(17, 3 - floor(log10(self.upper - self.lower)))
        lower, upper, zero = (_decimal(x, digits) for x in (self.lower, self.upper, self.zero))
        if float(self.lower) == self.lower and nextafter(float(self.lower), inf) == self.upper:
            lower, upper = f"the neighbouring float64 numbers {float(self.lower)!r}", repr(float(self.upper))
        return f"what lies between {lower} and {upper}; there, at {zero}, f is zero, and r only next to it"

    @property
    def inside(self) -> bool:
        """Whether the zero lies between two parts of the domain, and not beyond its end."""
        return self.lower is not None and self.upper is not None


def _decimal(x: Fraction, digits: int) -> str:
    context = Context(prec=digits + 3)
    return str(context.divide(Decimal(x.numerator), Decimal(x.denominator)).normalize(context))


def bits_of(digits: int | None) -> int:
    """The binary digits of the numbers at which a target will be asked for: float64, or of mpmath to ``digits``."""
    return FLOAT64 if digits is None or digits <= 15 else round((digits + 1) * log2(10))


def neighbours(x: Fraction, bits: int) -> tuple[Fraction, Fraction]:
    """The two numbers of so many binary digits between which a number lies, neither of which it is.

    >>> [float(end) for end in neighbours(Fraction(1, 3), 53)]
    [0.3333333333333333, 0.33333333333333337]
    """
    size = abs(x)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= size < Fraction(2) ** exponent
    unit = Fraction(2) ** (exponent + 1 - bits)
    low = floor(x / unit) * unit
    near = NEAREST * max(1, size)
    return low if x - low > near else low - unit, low + unit if low + unit - x > near else low + 2 * unit


def irrational_zeros(formula: Expression, weight: Expression, domain: Domain) -> list[Fraction]:
    """The zeros of a formula on a domain at which the weight is infinite and that are not seen to be rational.

    Raises
    ------
    ValueError
        where one is not simple.
    """
    found = []
    for lower, upper in domain.intervals:
        for x in _candidates(formula, lower, upper):
            if _infinite(formula, weight, x):
                shared = _shared(formula, x, lower, upper)
                _check_simple(formula, weight, x, (lower, upper), shared)
                found += [] if shared else [_rounded(x)]
    return found


def _candidates(formula: Expression, lower: End, upper: End) -> list[Fraction]:
    # Zeros of a formula; where they are not known to be all, it may touch zero where its slope vanishes.
    found = {*formula.size().breakpoints(lower, upper), *(end for end in (lower, upper) if isinstance(end, Fraction))}
    if not roots(formula.tree, lower, upper)[1]:
        try:
            found.update(formula.derivative().size().breakpoints(lower, upper))
        except (ExpressionError, ArithmeticError):
            pass
    return sorted(found)


def without(domain: Domain, zeros: Iterable[Fraction], bits: int) -> Domain:
    """The domain without the open intervals between the neighbours of some zeros.

    More binary digits are taken where the neighbours of two zeros meet, or leave a single point of an interval.

    Raises
    ------
    ValueError
        where zeros are too near to each other, or to an end.
    """
    points = sorted(zeros)
    for more in range(bits, max(bits + 1, MOST_BITS), 16):
        spans = [neighbours(z, more) for z in points]
        left: list[tuple[End, End]] = []
        for lower, upper in domain.intervals:
            inside = [span for span in spans if lower < span[1] and span[0] < upper]
            ends = [lower, *(end for span in inside for end in span), upper]
            left += zip(ends[::2], ends[1::2], strict=True)
        # What lies wholly between two neighbours holds no number of the format.
        kept = tuple((a, b) for a, b in left if a < b)
        if any(a == b for a, b in left) or any(a[1] >= b[0] for a, b in pairwise(spans)):
            continue
        apart = all(b - a > APART * max(1, abs(a)) for a, b in pairwise(points))
        lengths = [(b - a) / max(1, abs(finite(a))) for a, b in kept if isinstance(a, Fraction)]
        if kept and apart and min(lengths, default=Fraction(1)) > NARROWEST:
            return Domain(kept)
        break
    named = " and ".join(f"{float(z):.17g}" for z in points)
    raise ValueError(
        f"the target vanishes at x = {named}, where the weight is infinite, and one of these zeros is next to another "
        "one, or to an end of the domain: choose an end on the other side of it, or leave a gap around both"
    )


def zeros_beside(pieces: Sequence[Piece]) -> tuple[Gap, ...]:
    """The simple zeros that lie just outside of pieces, in their gaps and beyond their ends, where the weight is large.

    Newton's method from the end of a piece goes there, along the formula of the piece.
    """
    ends: dict[Fraction, list[Fraction | None]] = {}
    for k, piece in enumerate(pieces):
        if (
            piece.expression is None
            or piece.weight_expression is None
            or piece.weight_expression.tree.value is not None
        ):
            continue
        before = pieces[k - 1].upper if k else None
        after = pieces[k + 1].lower if k + 1 < len(pieces) else None
        for side, end, limit in ((1, piece.lower, before), (0, piece.upper, after)):
            zero = _beyond(piece, end, limit) if isinstance(end, Fraction) and end != limit else None
            if zero is not None:
                ends.setdefault(zero, [None, None])[side] = end  # type: ignore[assignment]
    return tuple(Gap(zero, *sides) for zero, sides in sorted(ends.items()))


def _beyond(piece: Piece, end: Fraction, limit: End | None) -> Fraction | None:
    formula, weight = piece.expression, piece.weight_expression
    assert formula is not None and weight is not None
    length = piece.upper - piece.lower if isinstance(piece.upper - piece.lower, Fraction) else max(1, abs(end))
    reach = length * BESIDE if limit is None else min(length * BESIDE, abs(limit - end))  # type: ignore[operator]
    outwards = 1 if end == piece.upper else -1
    x = end
    with working_bits(BITS):
        for _ in range(12):
            f = piece.jets(to_arb(x), 2)[0]
            if f.prec < 2 or not (f[0].is_finite() and f[1].is_finite()) or f[1].contains(0):
                return None
            step = to_fraction((f[0] / f[1]).mid())
            x -= step
            if not 0 <= (x - end) * outwards <= reach:
                return None
            if abs(step) < Fraction(1, 2**420) * max(1, abs(x)):
                break
        else:
            return None
        zero = _rounded(x)
        return zero if zero != end and _infinite(formula, weight, zero) else None


def _rounded(x: Fraction) -> Fraction:
    # Zeros at x and -x, found apart, shall be each other's mirror images.
    return Fraction(round(x * 2**380), 2**380)


def _infinite(formula: Expression, weight: Expression, x: Fraction) -> bool:
    with working_bits(BITS):
        try:
            f, w = formula.ball(to_arb(x)), weight.ball(to_arb(x))
        except ArithmeticError:
            return False
        if not abs(f) < to_arb(NEAREST):
            return False
        return not w.is_finite() or bool(abs(w) > INFINITE)


def _shared(formula: Expression, x: Fraction, lower: End, upper: End) -> bool:
    # Whether the formula is zero for certain, on either side.
    if vanishes(formula.tree, x):
        return True
    sides = [(a, b) for a, b in ((lower, x), (x, upper)) if a < b]
    return all(vanishes(formula.on(a, b).tree, x) for a, b in sides)


def _check_simple(formula: Expression, weight: Expression, x: Fraction, span: tuple[End, End], shared: bool) -> None:
    # With f ~ d^m and w ~ d^-n at a distance d, the values at two distances tell m and n. At a zero that rationals
    # share m may be larger than n.
    lower, upper = span
    signs = set()
    for side in (1, -1):
        near, far = (x + side * Fraction(1, 2**k) for k in (121, 120))
        if not (lower <= near <= upper and lower <= far <= upper):
            continue
        with working_bits(BITS):
            ratios = [abs(of.ball(to_arb(far)) / of.ball(to_arb(near))) for of in (formula, weight)]
            m, n = (float(ratio.log()) / log(2) for ratio in ratios)
            sign = side if formula.ball(to_arb(near)) > 0 else -side
        if n < -1.01 or (not shared and (abs(m - 1) > 0.01 or n > -0.99 or -sign in signs)):
            touching = " without changing its sign" if -sign in signs else ""
            sides = f"({lower}, {float(x) - 1e-3:.6g})", f"({float(x) + 1e-3:.6g}, {upper})"
            gap = ", ".join(text for text, end in zip(sides, span, strict=True) if end != x)
            raise ValueError(
                f"the target vanishes at x = {float(x):.10g} to the order {m:.3g}{touching}, and the weight is infinite "
                f"there to the order {-n:.3g}: a relative error goes across simple zeros only; divide the target by a "
                f"function that takes the zero away, or leave a gap around it, as domain=[{gap}]"
            )
        signs.add(sign)
