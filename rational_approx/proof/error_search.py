"""The largest error of a rational over its target's domain, enclosed from both sides, and where it is.

The precision is raised until rounding is small beside the error; then the branch and bound of
:mod:`proof.supremum` starts from the points at which the error is known to be large.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from math import ceil, cos, inf, pi
from typing import Any, NamedTuple

import flint
from flint import arb

from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.precision import fraction, to_arb, to_fraction, working_bits
from rational_approx.arithmetic.signs import sign_on
from rational_approx.expressions.enclosures import Undecided
from rational_approx.expressions.nodes import Node
from rational_approx.expressions.quotients import quotient_of
from rational_approx.proof.error_models import ErrorCurve, curves, order_for
from rational_approx.proof.shared_zeros import divided
from rational_approx.proof.supremum import Search
from rational_approx.targets.piece import Piece
from rational_approx.targets.target import Target

__all__ = ["ErrorOf", "Searched", "finite_points", "place", "rounded"]

_PRECISIONS = (160, 320, 640, 1280, 2560, 5120, 10_240)

SPARE = 130
"""Bits beyond those of a known error at which it is seen: thirty for the gap, the others for the rounding of P/Q."""

SEEN = 1280
"""Up to so many bits an end without a finite error may be one beside a zero of f that more bits tell apart from it."""


class Searched(NamedTuple):
    """A search and the precision at which it ran, and whether its bounds met; without a search the error is zero."""

    search: Search | None
    bits: int
    reached: bool


class ErrorOf(NamedTuple):
    """The error of ``top / bottom``, where to look for it first (and at so many points a piece), and the gap wanted."""

    target: Target
    top: flint.fmpq_poly
    bottom: flint.fmpq_poly
    reference: list[Fraction]
    looks: int
    gap: Fraction

    def searched(self, allowed: Fraction | None = None) -> Searched:
        """The search, ended early where it has found an error above the ``allowed`` one, which also tells how many bits
        it may take to see it.

        Raises
        ------
        Undecided
            where nothing can be enclosed, with the reason.
        """
        for piece in self.target.pieces:
            for formula in (piece.expression, piece.weight_expression):
                if not formula.defined(piece.lower, piece.upper):  # type: ignore[union-attr]
                    raise Undecided(
                        f"it is not proved that {formula} is defined on all of [{piece.lower}, {piece.upper}]"
                    )
        if _identical(self):
            return Searched(None, 0, True)
        coefficients = [c for side in (self.top, self.bottom) for c in side.coeffs() or [flint.fmpq(0)]]
        digits = max(int(c.q).bit_length() for c in coefficients)
        for bits in _precisions(allowed):
            with working_bits(bits):
                search = _seeded(self)
                if not search.samples:
                    raise Undecided("the target has no finite value at any point that was looked at")
                if bits < SEEN and search.ends < 2 * len(
                    search.curves
                ):  # a zero of f is nearer to an end than the bits
                    continue
                widest = max((sample.value.rad() for sample in search.samples), key=float, default=arb(0))
                # An error that stays below twice as many digits as the coefficients have is zero, or as good as zero.
                visible = search.lower > 0 or bits < 300 + 2 * digits
                if bits < _PRECISIONS[-1] and visible and not widest.upper() < search.lower * to_arb(self.gap / 16):
                    continue
                if allowed is not None:
                    search.allowed = to_arb(allowed)
                for curve in search.curves:
                    curve.order = order_for(search.lower)
                return Searched(search, bits, search.run())
        raise AssertionError("the last precision is used whatever it shows")


def _precisions(allowed: Fraction | None) -> Iterator[int]:
    known = SPARE + allowed.denominator.bit_length() - allowed.numerator.bit_length() if allowed else 0
    first = min(max(_PRECISIONS[0], known), _PRECISIONS[-1])
    yield first
    yield from (bits for bits in _PRECISIONS if bits > first)


def finite_points(reference: Sequence[Any]) -> list[Fraction]:
    return sorted({fraction(x) for x in reference if not (isinstance(x, float) and abs(x) == inf)})


def _identical(asked: "ErrorOf") -> bool:
    # Whether the target is the same rational function on every piece: enclosures never show a zero error. That it is
    # defined everywhere must be shown, too: x * (1 / x) is not, at 0.
    for piece in asked.target.pieces:
        tree = piece.expression.tree  # type: ignore[union-attr]
        exactly = quotient_of(tree)
        if exactly is None or exactly[0] * asked.bottom != exactly[1] * asked.top:
            return False
        if not all(_never_zero(below, piece) for below in _denominators(tree)):
            return False
        if piece.weight_expression.tree.value is None and not _finite(piece):  # type: ignore[union-attr]
            return False
    return True


def _denominators(tree: Node) -> Iterator[flint.fmpq_poly | None]:
    # What must not vanish, None where it is no polynomial. A quotient has a value at its holes: x / x at 0.
    for node in tree.walk():
        if node.operator == "/":
            known = quotient_of(node)
            yield None if known is None else known[1] // known[0].gcd(known[1])
        elif node.operator == "^" and (node.arguments[1].value or 0) < 0:
            known = quotient_of(node.arguments[0])
            yield None if known is None else known[0]


def _never_zero(poly: flint.fmpq_poly | None, piece: Piece) -> bool:
    return poly is not None and sign_on(poly, piece.lower, piece.upper).sign != 0


def _finite(piece: Piece, boxes: int = 4000) -> bool:
    # Whether the weight, without the zeros that it shares with the target, is finite on boxes that cover the piece.
    if not (isinstance(piece.lower, Fraction) and isinstance(piece.upper, Fraction)):
        return False
    _, weight, _, _ = divided(piece.expression, piece.weight_expression, flint.fmpq_poly([0]), piece.lower, piece.upper)  # type: ignore[arg-type]
    stack = [(piece.lower, piece.upper)]
    with working_bits(128):
        while stack and boxes:
            (a, b), boxes = stack.pop(), boxes - 1
            if not weight.ball(to_arb(a).union(to_arb(b))).is_finite():
                stack += [(a, (a + b) / 2), ((a + b) / 2, b)]
    return not stack


def _seeded(asked: "ErrorOf") -> Search:
    # The curves of all pieces, evaluated at the reference and at Chebyshev points.
    settled = arb(2) ** -(flint.ctx.prec // 2)
    parts: list[ErrorCurve] = []
    for index, piece in enumerate(asked.target.pieces):
        formulas = piece.expression, piece.weight_expression
        made = curves(*formulas, asked.top, asked.bottom, piece.lower, piece.upper, settled)
        for curve in made:
            curve.piece = index
        parts += made
    search, count = Search(parts, to_arb(asked.gap) / 2), asked.looks
    nodes = [cos(pi * (k + 0.5) / count) for k in range(count)]
    for index, curve in enumerate(parts):
        middle, half = (curve.lower + curve.upper) / 2, (curve.upper - curve.lower) / 2
        points = [(middle + half * node).mid() for node in nodes]
        if not curve.inverted:
            peaks = [x for x in (to_arb(x).mid() for x in asked.reference) if x > curve.lower and x < curve.upper]
            points += peaks
            curve.cuts = [(a + (b - a) * k / 4).mid() for a, b in pairwise(peaks) for k in (1, 3)]
            if half > 100:  # the peaks of an error on a half-line are where x is neither small nor large
                piece = asked.target.pieces[curve.piece]
                starts = [to_arb(end) if isinstance(end, Fraction) else arb(0) for end in (piece.lower, piece.upper)]
                far = [arb((1 + node) / (1 - node)) for node in nodes]
                points += [(starts[0] + t).mid() for t in far] + [(starts[1] - t).mid() for t in far]
        for x in points:
            if x > curve.lower and x < curve.upper:
                search.evaluate(index, x)
        for end in (curve.lower, curve.upper):  # beside a zero of f most digits cancel, and there is no other point
            search.ends += bool(search.evaluate(index, end)[0].is_finite())
    return search


def place(target: Target, curve: ErrorCurve, x: arb) -> End:
    # The exact coordinate in the target's own variable of a point or box end on a curve.
    piece = target.pieces[curve.piece]
    if curve.inverted:
        return (1 if curve.upper > 0 else -1) * inf if x.is_zero() else 1 / to_fraction(x)
    for ball, end in ((curve.lower, piece.lower), (curve.upper, piece.upper)):
        if not x.is_exact() and x.mid() == ball.mid() and isinstance(end, Fraction):
            return end
    return to_fraction(x)


def rounded(value: arb, side: int) -> Fraction:
    # An exact bound with at most 128 significant bits, rounded outwards.
    end = value.lower() if side < 0 else value.upper()
    if not end > arb(2) ** -20_000:  # far out on a half-line even the exponent would be too large for a fraction
        return Fraction(0) if side < 0 else Fraction(2) ** -20_000
    number = to_fraction(end)
    shift = 128 - (number.numerator.bit_length() - number.denominator.bit_length())
    scaled = number * Fraction(2) ** shift
    # One unit more than rounding needs, so that whoever checks in another arithmetic has room for his own rounding.
    return Fraction(int(scaled) - 1 if side < 0 else ceil(scaled) + 1) / Fraction(2) ** shift
