"""`certify`: a rigorous two-sided bound of the error of a rational, the best possible, and exact facts about it."""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, cos, inf, pi
from typing import Any

import flint
import numpy as np
from flint import arb

from rational_approx.alternation import alternating
from rational_approx.certificate import Certificate, Part, Point
from rational_approx.claims import decide, denominator_sign, read_claims
from rational_approx.discrete import exact_samples, sample_errors
from rational_approx.domain import End
from rational_approx.enclosures import Undecided
from rational_approx.errorjets import ErrorCurve, curves, order_for
from rational_approx.expression import Expression
from rational_approx.nodes import text
from rational_approx.precision import fraction, to_arb, to_fraction, working_bits
from rational_approx.rational import Rational
from rational_approx.roots import quotient_of
from rational_approx.supremum import Sample, Search
from rational_approx.target import Target

__all__ = ["certify"]

DEFAULT_GAP = Fraction(1, 10**13)
"""Relative gap between the proved bounds; one Newton step at each extremum reaches it at no cost."""

_PRECISIONS = (160, 320, 640, 1280, 2560, 5120, 10_240)


def certify(fit: Any, target: Target | None = None, *, claims: Sequence[Any] = (), gap: object = None) -> Certificate:
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
    degree = tuple(getattr(fit, "degree", None) or rational.type)
    top, bottom = rational.polynomials
    signs, free, zero = denominator_sign(bottom, target.domain)
    found = _Findings()
    if zero is not None and free is False:
        found.status, found.witness = "refuted", Point(0, zero)
        found.reason = f"the denominator has a zero on the domain, at or next to x = {float(zero):.6g}"
    elif target.samples is not None:
        _from_samples(found, rational, target, degree)
    elif any(piece.expression is None or piece.weight_expression is None for piece in target.pieces):
        _sampled(found, rational, target)
    elif free is None:
        found.reason = "the denominator comes too close to zero to decide whether it has a zero"
    else:
        _enclosed(found, target, top, bottom, degree, getattr(fit, "reference", ()), wanted)
    bounds, worst = (found.lower, found.upper, found.best_lower), found.witness and found.witness.x
    decided = tuple(decide(name, values, top, bottom, target, signs, bounds, worst) for name, values in stated)
    if any(claim.status == "refuted" for claim in decided):
        found.status = "refuted"
    elif found.status == "proved" and any(claim.status == "undecided" for claim in decided):
        found.status, found.reason = "undecided", "a claim could be neither proved nor refuted"
    return Certificate(
        found.status,
        found.lower,
        found.upper,
        found.best_lower,
        free,
        rational,
        target.domain,
        _name(target.expression, target.name),
        _weight(target),
        target.breakpoints,
        decided,
        found.witness,
        found.reference,
        found.parts,
        degree,
        found.reason,
        found.signs,
        exact_samples(target),
    )


def _weight(target: Target) -> str:
    if target.samples is not None:
        return "1" if (np.asarray(target.weight) == 1).all() else "samples"
    return _name(target.weight_expression, target.weight)


def _name(formula: Expression | None, other: Any) -> str:
    # The text of an expression, always in the variable x, or the name of whatever else it is.
    named = other if isinstance(other, str) else str(getattr(other, "__name__", type(other).__name__))
    return named if formula is None else text(formula.tree)


class _Findings:
    """What is known so far; the fields are those of the certificate."""

    def __init__(self) -> None:
        self.status, self.reason = "undecided", ""
        self.lower: Fraction | None = None
        self.upper: Fraction | None = None
        self.best_lower = Fraction(0)
        self.witness: Point | None = None
        self.reference: tuple[Point, ...] = ()
        self.parts: tuple[Part, ...] = ()
        self.signs: tuple[int, ...] = ()


# -- targets given as expressions ------------------------------------------------------------------------------------


def _enclosed(
    found: _Findings,
    target: Target,
    top: flint.fmpq_poly,
    bottom: flint.fmpq_poly,
    degree: tuple[int, ...],
    reference: Sequence[Any],
    gap: Fraction,
) -> None:
    for piece in target.pieces:
        for formula in (piece.expression, piece.weight_expression):
            if not formula.defined(piece.lower, piece.upper):  # type: ignore[union-attr]
                found.reason = f"it is not proved that {formula} is defined on all of [{piece.lower}, {piece.upper}]"
                return
    if _identical(target, top, bottom):
        found.lower = found.upper = Fraction(0)
        found.status = "proved"
        return
    for bits in _PRECISIONS:
        with working_bits(bits):
            try:
                search, origins = _seeded(target, top, bottom, reference, sum(degree) + 2, gap)
            except Undecided as problem:
                found.reason = str(problem)
                return
            widest = max((sample.value.rad() for sample in search.samples), key=float, default=arb(0))
            if bits < _PRECISIONS[-1] and not widest.upper() < search.lower * to_arb(gap / 16):
                continue
            order = order_for(search.lower)
            for curve in search.curves:
                curve.order = order
            reached = search.run()
            _record(found, target, search, origins, top, bottom, degree)
        found.status = "proved" if reached else "undecided"
        found.reason = "" if reached else "the bounds did not meet within the wanted gap"
        return


def _identical(target: Target, top: flint.fmpq_poly, bottom: flint.fmpq_poly) -> bool:
    # Whether the target is the same rational function on every piece: enclosures never show a zero error.
    for piece in target.pieces:
        exactly = quotient_of(piece.expression.tree)  # type: ignore[union-attr]
        if exactly is None or exactly[0] * bottom != exactly[1] * top:
            return False
    return True


def _seeded(
    target: Target, top: flint.fmpq_poly, bottom: flint.fmpq_poly, reference: Sequence[Any], count: int, gap: Fraction
) -> tuple[Search, list[int]]:
    # The curves of all pieces, evaluated at the reference and at Chebyshev points, and the piece of each curve.
    parts: list[ErrorCurve] = []
    origins: list[int] = []
    settled = arb(2) ** -(flint.ctx.prec // 2)
    for index, piece in enumerate(target.pieces):
        made = curves(piece.expression, piece.weight_expression, top, bottom, piece.lower, piece.upper, settled)
        parts += made
        origins += [index] * len(made)
    search = Search(parts, to_arb(gap) / 2)
    known = sorted({fraction(x) for x in reference if not (isinstance(x, float) and abs(x) == inf)})
    for index, curve in enumerate(parts):
        middle, half = (curve.lower + curve.upper) / 2, (curve.upper - curve.lower) / 2
        nodes = [cos(pi * (k + 0.5) / count) for k in range(count)]
        points = [(middle + half * node).mid() for node in nodes]
        if not curve.inverted:
            points += [to_arb(x).mid() for x in known]
            if half > 100:  # the peaks of an error on a half-line are where x is neither small nor large
                piece = target.pieces[origins[index]]
                starts = [to_arb(end) if isinstance(end, Fraction) else arb(0) for end in (piece.lower, piece.upper)]
                far = [arb((1 + node) / (1 - node)) for node in nodes]
                points += [(starts[0] + t).mid() for t in far] + [(starts[1] - t).mid() for t in far]
        for x in points:
            if x > curve.lower and x < curve.upper:
                search.evaluate(index, x)
    return search, origins


def _end_or_exact(target: Target, origins: list[int], search: Search, curve: int, x: arb) -> End:
    # The exact coordinate in the target's own variable of a point or box end on a curve.
    made, piece = search.curves[curve], target.pieces[origins[curve]]
    if made.inverted:
        side = 1 if made.upper > 0 else -1
        return Fraction(1) / to_fraction(x) if not x.is_zero() else side * inf
    for ball, end in ((made.lower, piece.lower), (made.upper, piece.upper)):
        if not x.is_exact() and x.mid() == ball.mid() and isinstance(end, Fraction):
            return end
    return to_fraction(x)


def _record(
    found: _Findings,
    target: Target,
    search: Search,
    origins: list[int],
    top: flint.fmpq_poly,
    bottom: flint.fmpq_poly,
    degree: tuple[int, ...],
) -> None:
    def place(curve: int, x: arb) -> End:
        return _end_or_exact(target, origins, search, curve, x)

    found.lower = _rounded(search.lower, -1)
    if search.upper.is_finite():
        found.upper = _rounded(search.upper, 1)
    points: dict[Point, Sample] = {}
    for sample in search.samples:
        points[Point(origins[sample.curve], place(sample.curve, sample.x))] = sample
    sizes = [(point, (s.value > 0) - (s.value < 0), _rounded(abs(s.value).lower(), -1)) for point, s in points.items()]
    found.witness = max(sizes, key=lambda entry: entry[2])[0]
    weighted = [entry for entry in sizes if search.weight_positive(points[entry[0]])]
    zeros = {zero for curve in search.curves for zero in curve.zeros}
    # A zero at the very end of the domain turns no sign, which is as good as turning all of them.
    turned = tuple(sum(piece.lower < zero for piece in target.pieces) for zero in zeros)
    found.best_lower, found.reference, found.signs = alternating(weighted, degree, (top, bottom), turned)
    parts = []
    for box in search.boxes:
        ends = sorted((place(box.curve, box.lower), place(box.curve, box.upper)))
        parts.append(Part(origins[box.curve], ends[0], ends[1], box.how))
    found.parts = tuple(sorted(parts, key=lambda part: (part.piece, part.lower)))


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


def _from_samples(found: _Findings, rational: Rational, target: Target, degree: tuple[int, ...]) -> None:
    points = sample_errors(rational, exact_samples(target))
    found.witness, _, largest = max(points, key=lambda entry: entry[2])
    found.lower = found.upper = largest
    found.best_lower, found.reference, found.signs = alternating(points, degree, rational.polynomials)
    found.status = "proved"


def _sampled(found: _Findings, rational: Rational, target: Target) -> None:
    found.status, found.reason = "sampled", "the target is an opaque callable: give it as an expression to have a proof"
    for index, piece in enumerate(target.pieces):
        lower, upper = max(float(piece.lower), -1e3), min(float(piece.upper), 1e3)
        x = np.clip((lower + upper) / 2 - (upper - lower) / 2 * np.cos(np.linspace(0, np.pi, 4001)), lower, upper)
        error = np.abs(piece.weight(x) * (piece.function(x) - rational(x)))
        worst = int(np.nanargmax(error))
        if found.lower is None or Fraction(float(error[worst])) > found.lower:
            found.lower, found.witness = Fraction(float(error[worst])), Point(index, Fraction(float(x[worst])))
