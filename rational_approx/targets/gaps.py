"""Gaps of the domain around zeros of the target that no rational with rational coefficients shares.

Where the weight is infinite, as ``1 / abs(f)`` is at a zero z of f, the error is finite only if r vanishes at z, too.
At pi/2 a rational with rational coefficients does not, however near to it its own zero lies. But nobody calculates at
pi/2: it lies between two neighbouring numbers of any format. So the open interval between these two is left out of the
domain. What is fitted and proved then holds at every number of the format, and the error next to z is finite only
because r vanishes so near to z.

The same structure is there where a domain that a user gives ends beside a zero, as (0, 1.5707963267948966) does for
cos(x). :func:`zeros_beside` finds both.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from itertools import pairwise
from math import floor, inf, log, log2, log10, nextafter
from typing import NamedTuple

import numpy as np
from flint import arb, arb_series

from rational_approx.arithmetic.domain import Domain, End
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.expressions.expression import Expression
from rational_approx.expressions.holes import vanishes
from rational_approx.targets.callables import scan_points
from rational_approx.targets.piece import Piece

__all__ = ["Gap", "bits_of", "irrational_zeros", "neighbours", "without", "zeros_beside"]

FLOAT64 = 53
MOST_BITS = 300
NEAREST = Fraction(1, 2**300)
"""Zeros are located within ``2**-400``: a number so near to one may be the zero itself."""
INFINITE = 2**100
"""A weight of this size, where f is next to nothing, is infinite at a zero that is known to ``2**-400`` only."""
BITS = 900
ROUNDS = 16
"""Of Newton's method."""
SCANNED, DIPS = 256, 8
"""Points at which a target is looked at for a zero that it touches, and how many of the least values are followed."""
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
        assert self.lower is not None
        assert self.upper is not None
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
    near = NEAREST * max(Fraction(1), size)
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
    # Zeros of a formula, and where it touches zero: that is no change of a sign, and seen as the least size in floats.
    found = {*formula.size().breakpoints(lower, upper), *(end for end in (lower, upper) if isinstance(end, Fraction))}
    x = scan_points(lower, upper, SCANNED)
    size = np.abs(formula(x))
    dips = 1 + np.flatnonzero((size[1:-1] <= size[:-2]) & (size[1:-1] <= size[2:]))
    for k in dips[np.argsort(size[dips])][:DIPS]:
        c = _newton(lambda at: _series(formula, at, 3), Fraction(float(x[k])), 1)
        if c is not None and lower < c < upper and all(abs(c - z) > NEAREST for z in found):
            found.add(c)
    return sorted(found)


def _series(formula: Expression, x: Fraction, order: int) -> Sequence[arb]:
    series = formula.ball(arb_series([to_arb(x), 1], prec=order))
    return [series[k] for k in range(min(order, series.prec))]


def _newton(coefficients: Callable[[Fraction], Sequence[arb]], x: Fraction, k: int) -> Fraction | None:
    """Where the k-th Taylor coefficient vanishes, by Newton's method, to 420 bits; None where that does not settle."""
    with working_bits(BITS):
        for _ in range(ROUNDS):
            try:
                c = coefficients(x)
            except ArithmeticError:
                return None
            step = c[k] / ((k + 1) * c[k + 1]) if len(c) > k + 1 else arb.nan()
            if not step.is_finite() or abs(step) > abs(to_arb(x)) + 1:
                return None
            x -= to_fraction(step.mid())
            if abs(step) < arb(2) ** -420 * (1 + abs(to_arb(x))):
                return x
    return None


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
        if kept and all(_apart(a, b, APART) for a, b in pairwise(points)) and all(_apart(*e, NARROWEST) for e in kept):
            return Domain(kept)
        break
    named = " and ".join(f"{float(z):.17g}" for z in points)
    raise ValueError(
        f"the target vanishes at x = {named}, where the weight is infinite, and one of these zeros is next to another "
        "one, or to an end of the domain: choose an end on the other side of it, or leave a gap around both"
    )


def _apart(a: End, b: End, share: Fraction) -> bool:
    return b - a > float(share) * max(1.0, abs(float(a)))


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
    reach = piece.length * BESIDE
    if isinstance(limit, Fraction):
        reach = min(reach, abs(limit - end))
    outwards = 1 if end == piece.upper else -1
    x = _newton(lambda at: _series(piece.expression, at, 2), end, 0)  # type: ignore[arg-type]
    if x is None or not 0 < (x - end) * outwards <= reach:
        return None
    zero = _rounded(x)
    infinite = _infinite(piece.expression, piece.weight_expression, zero)  # type: ignore[arg-type]
    return zero if infinite else None


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
                f"the target vanishes at x = {float(x):.10g} to the order {m:.3g}{touching}, and the weight is "
                f"infinite to the order {-n:.3g}: a relative error goes across simple zeros only; divide the target by "
                f"a function that takes the zero away, or leave a gap around it, as domain=[{gap}]"
            )
        signs.add(sign)
