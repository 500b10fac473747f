"""`certify`: a rigorous two-sided bound of the error of a rational, the best possible, and exact facts about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, product
from typing import Any, NamedTuple

import flint
import numpy as np
from flint import arb

from rational_approx.arithmetic.polynomials import fmpq, fractions
from rational_approx.arithmetic.precision import fraction, to_arb, working_bits
from rational_approx.arithmetic.signs import denominator_sign
from rational_approx.expressions.enclosures import Undecided
from rational_approx.expressions.expression import Expression
from rational_approx.expressions.nodes import text
from rational_approx.proof.certificate import COMPETITORS, Certificate, Part, Point, Reference
from rational_approx.proof.claims import decide, read_claims
from rational_approx.proof.error_models import ErrorCurve
from rational_approx.proof.error_search import ErrorOf, finite_points, place, rounded
from rational_approx.proof.lower_bound import least_error, sample_errors
from rational_approx.proof.supremum import Sample, Search
from rational_approx.rationals.rational import Rational
from rational_approx.targets.piece import largest_error
from rational_approx.targets.samples import exact_samples
from rational_approx.targets.target import Target

__all__ = ["certify"]

DEFAULT_GAP = Fraction(1, 10**13)
"""Relative gap between the proved bounds; one Newton step at each extremum reaches it at no cost."""


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
    error = ErrorOf(target, top, bottom, finite_points(near), sum(degree) + 2, wanted)
    asked = _Asked(error, degree, COMPETITORS[any_sign], signs, rivals)
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


def _found(asked: "_Asked", rational: Rational, free: bool | None, zero: Fraction | None) -> "_Findings":
    # By the kind of the target, unless there is a pole.
    found, target = _Findings(), asked.target
    if target.samples is not None and _one_sign_at(asked.error.bottom, target):
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
    """The error of a rational, the class of competitors, and their type."""

    error: ErrorOf
    degree: tuple[int, ...]
    competitors: str
    signs: list[int]
    """Those of Q, one for each interval."""
    rivals: tuple[Any, ...]

    @property
    def target(self) -> Target:
        return self.error.target

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
    try:
        searched = asked.error.searched()
    except Undecided as problem:
        found.reason = str(problem)
        return
    found.status = "proved" if searched.reached else "undecided"
    found.reason = "" if searched.reached else "the bounds did not meet within the wanted gap"
    if searched.search is None:
        found.lower = found.upper = Fraction(0)
        return
    with working_bits(searched.bits):
        _record(found, asked, searched.search)
    unbounded = searched.search.unbounded
    if unbounded is not None:
        at = float(place(asked.target, searched.search.curves[unbounded.curve], unbounded.lower))
        found.reason = f"the error has no finite bound near x = {at:.6g}: a pole of the target, or no value there"


def _record(found: _Findings, asked: _Asked, search: Search) -> None:
    target = asked.target
    found.lower = rounded(search.lower, -1)
    if search.upper.is_finite():
        found.upper = rounded(search.upper, 1)
    points: dict[Point, Sample] = {}
    for sample in search.samples:
        curve = search.curves[sample.curve]
        points[Point(curve.piece, place(target, curve, sample.x))] = sample
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
        parts.append(Part(curve.piece, *sorted(place(target, curve, end) for end in (box.lower, box.upper))))
    found.parts = tuple(sorted(parts, key=lambda part: (part.piece, part.lower)))


def _sized(point: Point, value: arb) -> tuple[Point, int, Fraction]:
    return point, (value > 0) - (value < 0), rounded(abs(value).lower(), -1)


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
        bound, places, sides = least_error(points, asked.degree, (asked.error.top, asked.error.bottom), turned, flips)
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
        for x in finite_points(rival.reference):
            ball = to_arb(x)
            if piece.lower <= x <= piece.upper and x not in zeros and curve.weight_positive(ball):
                points.append(_sized(Point(index, x), curve.at(ball)[0]))
    flips = asked.flips(signs, rival.signs)
    bound, places, sides = least_error(points, asked.degree, (top, bottom), turned, flips)
    return bound, Reference(tuple(rival.signs), places, sides, plain)


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
