"""`certify`: a rigorous two-sided bound of the error of a rational, the best possible, and exact facts about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, product
from math import ceil, cos, inf, pi
from typing import Any, NamedTuple

import flint
import numpy as np
from flint import arb

from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.polynomials import fmpq, fractions
from rational_approx.arithmetic.precision import fraction, to_arb, to_fraction, working_bits
from rational_approx.arithmetic.signs import denominator_sign, sign_on
from rational_approx.expressions.enclosures import Undecided
from rational_approx.expressions.expression import Expression
from rational_approx.expressions.nodes import Node, text
from rational_approx.expressions.quotients import quotient_of
from rational_approx.proof.certificate import COMPETITORS, Certificate, Part, Point, Reference
from rational_approx.proof.claims import decide, read_claims
from rational_approx.proof.error_models import ErrorCurve, curves, order_for
from rational_approx.proof.lower_bound import least_error, sample_errors
from rational_approx.proof.shared_zeros import divided
from rational_approx.proof.supremum import Sample, Search
from rational_approx.rationals.rational import Rational
from rational_approx.targets.piece import Piece, largest_error
from rational_approx.targets.samples import exact_samples
from rational_approx.targets.target import Target

__all__ = ["certify"]

DEFAULT_GAP = Fraction(1, 10**13)
"""Relative gap between the proved bounds; one Newton step at each extremum reaches it at no cost."""

_PRECISIONS = (160, 320, 640, 1280, 2560, 5120, 10_240)


def certify(
    fit: Any,
    target: Target | None = None,
    *,
    claims: Sequence[Any] = (),
    gap: object = None,
    against: Any = None,
) -> Certificate:
    """Prove how large the weighted error of a rational is, and what else is claimed of it.

    Parameters
    ----------
    fit:
        A ``Fit``, or a `Rational` together with its ``target``.
    claims:
        Further facts: ``("error", bound)``, ``("best", factor)``: error at most that factor times the best possible,
        ``("range", lower, upper)``, ``("monotone", "increasing")``, ``("lipschitz", bound)``,
        ``("saturation", start, end, limit, tolerance)``: within a tolerance of a limit from start to end, which may
        lie outside the domain; ``("derivative", bound)``: ``abs(f' - r') <= bound``, without a bound it is filled in.
    gap:
        Wanted relative gap between the two bounds.
    against:
        The best fit of the same target, where a `Rational` is certified (one with rounded coefficients, say): its type,
        its class of competitors and its references then prove the best possible error. A fit brings its own.

    Raises
    ------
    ValueError, TypeError
        for claims, a gap or objects of another kind. What cannot be proved is an answer, not an exception.

    >>> from rational_approx import Rational, Domain
    >>> one = Fraction(1)
    >>> r = Rational((one, one / 2), (one, -one / 2), Domain.of((-1, 1)), basis="monomial")
    >>> print(certify(r, Target("exp(x)", (-1, 1)), claims=[("monotone", "increasing")]))
    proved: error of type (1, 1) for exp(x) on Domain([-1, 1])
      0.281718171541 <= error <= 0.281718171541 (relative gap ...)
      best possible of this type >= 0
      pole-free: yes
      monotone increasing: proved
    """
    rational = fit if isinstance(fit, Rational) else getattr(fit, "rational", None)
    target = getattr(fit, "target", None) if target is None else target
    if not isinstance(rational, Rational) or not isinstance(target, Target):
        raise TypeError("certify takes a fit, or a Rational and its Target: certify(fit) or certify(rational, target)")
    stated = read_claims(claims)
    wanted = DEFAULT_GAP if gap is None else fraction(gap)
    if wanted <= 0:
        raise ValueError(f"the gap must be positive, not {gap}: exact equality cannot be proved by enclosures")
    source = fit if against is None else against
    degree = tuple(getattr(source, "degree", None) or rational.type)
    if any(n < m for n, m in zip(degree, rational.type)):
        raise ValueError(f"the rational has type {rational.type} and is no competitor of type {degree}")
    any_sign = getattr(source, "denominator", "one sign") == "any" and len(target.domain.intervals) > 1
    top, bottom = rational.polynomials
    signs, free, zero = denominator_sign(bottom, target.domain)
    several = any_sign or target.samples is not None
    near, rivals = getattr(source, "reference", ()), tuple(getattr(source, "patterns", ())) if several else ()
    if against is not None and not any_sign:
        rivals = (*rivals, _Rival((1,) * len(signs), against.rational, against.reference))
    asked = _Asked(target, top, bottom, degree, _finite_points(near), wanted, COMPETITORS[any_sign], signs, rivals)
    found = _found(asked, rational, free, zero)
    bounds, worst = (found.lower, found.upper, found.best_lower), found.witness and found.witness.x
    decided = tuple(decide(name, values, rational, target, signs, bounds, worst) for name, values in stated)
    if any(claim.status == "refuted" for claim in decided):
        found.status = "refuted"
    elif found.status == "proved" and any(claim.status == "undecided" for claim in decided):
        found.status, found.reason = "undecided", "a claim could be neither proved nor refuted"
    return Certificate(
        pole_free=free,
        rational=rational,
        domain=target.domain,
        target=_name(target.expression, target.name),
        weight=_weight(target),
        breakpoints=target.breakpoints,
        claims=decided,
        type=degree,
        samples=exact_samples(target),
        competitors=asked.competitors,
        levelled=None if isinstance(fit, Rational) or target is not fit.target else fraction(fit.error),
        **vars(found),
    )


def _finite_points(reference: Sequence[Any]) -> list[Fraction]:
    return sorted({fraction(x) for x in reference if not (isinstance(x, float) and abs(x) == inf)})


def _found(asked: "_Asked", rational: Rational, free: bool | None, zero: Fraction | None) -> "_Findings":
    # By the kind of the target, unless there is a pole.
    found, target = _Findings(), asked.target
    if target.samples is not None and _one_sign_at(asked.bottom, target):
        _from_samples(found, rational, asked)
        if not free:
            at = "" if zero is None else f", at or next to x = {float(zero):.6g}"
            found.status = "undecided"
            found.reason = f"the denominator has a zero between samples{at}: what is stated is about the samples alone"
    elif zero is not None and free is False:
        found.status, found.witness = "refuted", Point(0, zero)
        found.reason = f"the denominator has a zero on the domain, at or next to x = {float(zero):.6g}"
    elif any(piece.expression is None or piece.weight_expression is None for piece in target.pieces):
        _sampled(found, rational, target)
    elif free is None:
        found.reason = "the denominator comes too close to zero to decide whether it has a zero"
    else:
        try:
            _enclosed(found, asked)
        except OverflowError as problem:
            found.status, found.reason = "undecided", str(problem)
    return found


def _weight(target: Target) -> str:
    if target.samples is not None:
        return "1" if (np.asarray(target.weight) == 1).all() else "samples"
    return _name(target.weight_expression, target.weight)


def _name(formula: Expression | None, other: Any) -> str:
    # The text of an expression, always in the variable x, or the name of whatever else it is.
    named = other if isinstance(other, str) else str(getattr(other, "__name__", type(other).__name__))
    return named if formula is None else text(formula.tree)


@dataclass
class _Findings:
    """What is known so far; the fields are those of the certificate."""

    status: str = "undecided"
    reason: str = ""
    lower: Fraction | None = None
    upper: Fraction | None = None
    best_lower: Fraction = Fraction(0)
    witness: Point | None = None
    references: tuple[Reference, ...] = ()
    parts: tuple[Part, ...] = ()


class _Rival(NamedTuple):
    """A rational that is near the best for competitors whose Q has these signs, and where its error alternates."""

    signs: tuple[int, ...]
    rational: Rational
    reference: Sequence[Any]


class _Asked(NamedTuple):
    """A rational and its target, the class of competitors, and where to look."""

    target: Target
    top: flint.fmpq_poly
    bottom: flint.fmpq_poly
    degree: tuple[int, ...]
    reference: list[Fraction]
    gap: Fraction
    competitors: str
    signs: list[int]
    """Those of Q, one for each interval."""
    rivals: tuple[Any, ...]

    def flips(self, signs: Sequence[int], pattern: Sequence[int]) -> dict[int, int]:
        """For each piece the product of two patterns of signs, which have one for each interval."""
        return {
            index: signs[k] * pattern[k]
            for index, piece in enumerate(self.target.pieces)
            for k, (a, b) in enumerate(self.target.domain.intervals)
            if a <= piece.lower and piece.upper <= b
        }


# -- targets given as expressions ------------------------------------------------------------------------------------


def _enclosed(found: _Findings, asked: _Asked) -> None:
    for piece in asked.target.pieces:
        for formula in (piece.expression, piece.weight_expression):
            if not formula.defined(piece.lower, piece.upper):  # type: ignore[union-attr]
                found.reason = f"it is not proved that {formula} is defined on all of [{piece.lower}, {piece.upper}]"
                return
    if _identical(asked):
        found.lower = found.upper = Fraction(0)
        found.status = "proved"
        return
    digits = max(int(c.q).bit_length() for side in (asked.top, asked.bottom) for c in side.coeffs() or [flint.fmpq(0)])
    for bits in _PRECISIONS:
        with working_bits(bits):
            try:
                search = _seeded(asked)
            except Undecided as problem:
                found.reason = str(problem)
                return
            if not search.samples:
                found.reason = "the target has no finite value at any point that was looked at"
                return
            widest = max((sample.value.rad() for sample in search.samples), key=float, default=arb(0))
            # An error that stays below twice as many digits as the coefficients have is zero, or as good as zero.
            visible = search.lower > 0 or bits < 300 + 2 * digits
            if bits < _PRECISIONS[-1] and visible and not widest.upper() < search.lower * to_arb(asked.gap / 16):
                continue
            order = order_for(search.lower)
            for curve in search.curves:
                curve.order = order
            reached = search.run()
            _record(found, asked, search)
        found.status = "proved" if reached else "undecided"
        found.reason = "" if reached else "the bounds did not meet within the wanted gap"
        if search.unbounded is not None:
            at = float(_place(asked.target, search.curves[search.unbounded.curve], search.unbounded.lower))
            found.reason = f"the error has no finite bound near x = {at:.6g}: a pole of the target, or no value there"
        return


def _identical(asked: _Asked) -> bool:
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


def _seeded(asked: _Asked) -> Search:
    # The curves of all pieces, evaluated at the reference and at Chebyshev points.
    settled = arb(2) ** -(flint.ctx.prec // 2)
    parts: list[ErrorCurve] = []
    for index, piece in enumerate(asked.target.pieces):
        formulas = piece.expression, piece.weight_expression
        made = curves(*formulas, asked.top, asked.bottom, piece.lower, piece.upper, settled)
        for curve in made:
            curve.piece = index
        parts += made
    search, count = Search(parts, to_arb(asked.gap) / 2), sum(asked.degree) + 2
    nodes = [cos(pi * (k + 0.5) / count) for k in range(count)]
    for index, curve in enumerate(parts):
        middle, half = (curve.lower + curve.upper) / 2, (curve.upper - curve.lower) / 2
        points = [(middle + half * node).mid() for node in nodes]
        if not curve.inverted:
            points += [to_arb(x).mid() for x in asked.reference]
            if half > 100:  # the peaks of an error on a half-line are where x is neither small nor large
                piece = asked.target.pieces[curve.piece]
                starts = [to_arb(end) if isinstance(end, Fraction) else arb(0) for end in (piece.lower, piece.upper)]
                far = [arb((1 + node) / (1 - node)) for node in nodes]
                points += [(starts[0] + t).mid() for t in far] + [(starts[1] - t).mid() for t in far]
        for x in points:
            if x > curve.lower and x < curve.upper:
                search.evaluate(index, x)
    return search


def _place(target: Target, curve: ErrorCurve, x: arb) -> End:
    # The exact coordinate in the target's own variable of a point or box end on a curve.
    piece = target.pieces[curve.piece]
    if curve.inverted:
        return (1 if curve.upper > 0 else -1) * inf if x.is_zero() else 1 / to_fraction(x)
    for ball, end in ((curve.lower, piece.lower), (curve.upper, piece.upper)):
        if not x.is_exact() and x.mid() == ball.mid() and isinstance(end, Fraction):
            return end
    return to_fraction(x)


def _record(found: _Findings, asked: _Asked, search: Search) -> None:
    target = asked.target
    found.lower = _rounded(search.lower, -1)
    if search.upper.is_finite():
        found.upper = _rounded(search.upper, 1)
    points: dict[Point, Sample] = {}
    for sample in search.samples:
        curve = search.curves[sample.curve]
        points[Point(curve.piece, _place(target, curve, sample.x))] = sample
    sizes = [_sized(point, sample.value) for point, sample in points.items()]
    found.witness = max(sizes, key=lambda entry: entry[2])[0]
    weighted = [entry for entry in sizes if search.weight_positive(points[entry[0]])]
    zeros = {zero for curve in search.curves for zero in curve.zeros}
    # A zero at the very end of the domain turns no sign, which is as good as turning all of them.
    turned = tuple(sum(piece.lower < zero for piece in target.pieces) for zero in zeros)
    found.best_lower, found.references = _unbeaten(asked, weighted, zeros, turned)
    parts = []
    for box in search.boxes:
        curve = search.curves[box.curve]
        parts.append(Part(curve.piece, *sorted(_place(target, curve, end) for end in (box.lower, box.upper))))
    found.parts = tuple(sorted(parts, key=lambda part: (part.piece, part.lower)))


def _sized(point: Point, value: arb) -> tuple[Point, int, Fraction]:
    return point, (value > 0) - (value < 0), _rounded(abs(value).lower(), -1)


def _unbeaten(
    asked: _Asked, points: list[tuple[Point, int, Fraction]], zeros: set[Fraction], turned: tuple[int, ...]
) -> tuple[Fraction, tuple[Reference, ...]]:
    # The smallest of the bounds for every pattern of signs that a competitor's Q may have; 0 where one has no bound.
    intervals, q = asked.target.domain.intervals, asked.degree[1]
    patterns = [(1,) * len(intervals)]
    if asked.competitors == "any sign":
        free = ((1, *rest) for rest in product((1, -1), repeat=len(intervals) - 1))
        patterns = [each for each in free if sum(a != b for a, b in pairwise(each)) <= q]
    own = tuple(sign * asked.signs[0] for sign in asked.signs)
    best: Fraction | None = None
    references = []
    for pattern in sorted(patterns, key=lambda each: each != own):
        flips = asked.flips(asked.signs, pattern)
        bound, places, sides = least_error(points, asked.degree, (asked.top, asked.bottom), turned, flips)
        found = Reference(pattern, places, sides)
        for rival in asked.rivals:
            if tuple(rival.signs) == pattern:
                higher, found_by_rival = _by_rival(asked, rival, zeros, turned)
                if higher > bound:
                    bound, found = higher, found_by_rival
        best = bound if best is None else min(best, bound)
        references.append(found)
    return (best, tuple(references)) if best else (Fraction(0), ())


def _by_rival(asked: _Asked, rival: Any, zeros: set[Fraction], turned: tuple[int, ...]) -> tuple[Fraction, Reference]:
    # The bound that the best fit of another pattern of signs gives, from its own error at its own reference.
    above, below = map(fractions, rival.rational.polynomials)
    plain = Rational(above, below, asked.target.domain, "monomial")
    top, bottom = plain.polynomials
    signs, free, _ = denominator_sign(bottom, asked.target.domain)
    if not free or any(top(fmpq(zero)) != 0 for zero in zeros):
        return Fraction(0), Reference((), (), ())
    points = []
    for index, piece in enumerate(asked.target.pieces):
        curve = ErrorCurve(piece.expression, piece.weight_expression, top, bottom, arb(0), arb(0))
        for x in _finite_points(rival.reference):
            ball = to_arb(x)
            if piece.lower <= x <= piece.upper and x not in zeros and curve.weight_positive(ball):
                points.append(_sized(Point(index, x), curve.at(ball)[0]))
    flips = asked.flips(signs, rival.signs)
    bound, places, sides = least_error(points, asked.degree, (top, bottom), turned, flips)
    return bound, Reference(tuple(rival.signs), places, sides, plain)


def _rounded(value: arb, side: int) -> Fraction:
    # An exact bound with at most 128 significant bits, rounded outwards.
    end = value.lower() if side < 0 else value.upper()
    if not end > arb(2) ** -20_000:  # far out on a half-line even the exponent would be too large for a fraction
        return Fraction(0) if side < 0 else Fraction(2) ** -20_000
    number = to_fraction(end)
    shift = 128 - (number.numerator.bit_length() - number.denominator.bit_length())
    scaled = number * Fraction(2) ** shift
    # One unit more than rounding needs, so that whoever checks in another arithmetic has room for his own rounding.
    return Fraction(int(scaled) - 1 if side < 0 else ceil(scaled) + 1) / Fraction(2) ** shift


# -- samples and opaque callables ------------------------------------------------------------------------------------


def _one_sign_at(bottom: flint.fmpq_poly, target: Target) -> bool:
    values = [bottom(fmpq(x)) for x, _, _ in exact_samples(target)]
    return min(values) > 0 or max(values) < 0


def _from_samples(found: _Findings, rational: Rational, asked: _Asked) -> None:
    samples = exact_samples(asked.target)
    points = sample_errors(rational, samples)
    found.witness, _, largest = max(points, key=lambda entry: entry[2])
    found.lower = found.upper = largest
    weighted = tuple(sample for sample in samples if sample[2] > 0)
    found.best_lower, places, sides = least_error(sample_errors(rational, weighted), asked.degree, rational.polynomials)
    found.references = (Reference((1,), places, sides),) if found.best_lower else ()
    for rival in asked.rivals:  # the best of all samples but some, where no rational is the best of all
        top, bottom = rival.rational.polynomials
        if not denominator_sign(bottom, asked.target.domain)[1]:
            continue
        bound, places, sides = least_error(sample_errors(rival.rational, weighted), asked.degree, (top, bottom))
        if bound > found.best_lower:
            plain = Rational(fractions(top), fractions(bottom), asked.target.domain, "monomial")
            found.best_lower, found.references = bound, (Reference((1,), places, sides, plain),)
    found.status = "proved"


def _sampled(found: _Findings, rational: Rational, target: Target) -> None:
    found.status, found.reason = "sampled", "the target is an opaque callable: give it as an expression to have a proof"
    size, index, x = largest_error(target.pieces, rational, 4001)
    found.lower, found.witness = Fraction(size), Point(index, Fraction(x))
