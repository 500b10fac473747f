"""The best approximant on samples: a `Question` about samples in, a `Fit` out.

The class of competitors is *one sign at the samples* (docs/approximation/semantics.md): Q keeps one sign at all
samples, and between them nothing is asked of it. So the best fit of noisy samples may have poles between them, and
there may be no best fit: then the infimum is approached by rationals that pass through an outlier by a zero and a pole
next to it (:mod:`exchange.discrete`). Neither is hidden: the fit that is returned says so, and `fit` warns. Why not the
best without a zero of Q on the whole interval? There is none either, as soon as that condition counts: its infimum is
approached by a Q that tends to zero between two samples, a spike that is no better than a pole.

Samples are floats, and floats are fractions: everything here is exact but the search.
"""

from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

import mpmath
import numpy as np

from rational_approx import watch
from rational_approx.arithmetic.polynomials import as_chebyshev, exact, fmpq, fractions
from rational_approx.arithmetic.precision import working_precision
from rational_approx.exchange.discrete import best_on_points
from rational_approx.exchange.discrete_correction import Table
from rational_approx.exchange.discrete_levels import Quotient
from rational_approx.fitting.causes import out_of_time
from rational_approx.fitting.result import DidNotConverge, Fit
from rational_approx.problem.ansatz import Ansatz
from rational_approx.problem.change import Change
from rational_approx.problem.competitors import Pattern
from rational_approx.problem.conditions import interpolant
from rational_approx.rationals.rational import Rational
from rational_approx.targets.samples import Triple, exact_samples

__all__ = ["fitted_to_samples"]

SIMPLE = 2**64
"""Coefficients of samples that are those of a rational are kept as fractions, with the largest of Q as their unit."""


class _Posed(NamedTuple):
    """What is left once the conditions are divided out, ``r = offset + prod (x - root) R``: samples in t, with values
    and weights of size 1; the type of R, the change from t to x, and the units of R and of the error."""

    table: Table
    degree: tuple[int, int]
    change: Change
    unit: Fraction
    size: Fraction


def fitted_to_samples(question: Any, digits: int) -> Fit:
    """The best fit of samples, or one whose error is within 1e-12 of an infimum that is not attained.

    Raises
    ------
    ValueError
        where there are fewer samples than the type has coefficients and one more.
    DidNotConverge
        where neither is proved.
    """
    samples = exact_samples(question.target)
    posed = _posed(question, samples)
    try:
        found = best_on_points(posed.table, posed.degree, digits)
    except watch.OutOfTime:
        raise out_of_time(question.target, f"the best approximant of type {question.degree}", None) from None
    if found is None:
        question.check_forced(None)
        raise DidNotConverge(
            f"no best approximant of type {question.degree} was found for {question.target!r}: try another type"
        )
    points = tuple(sorted(_in_x(posed, found.reference))) or (samples[0][0],)
    vanishing = _in_x(posed, found.vanishing)
    rational = _rational(question, posed, (found.p, found.q), vanishing, points)
    top, bottom = rational.polynomials
    error = max(w * abs(y - exact(top(fmpq(x)) / bottom(fmpq(x)))) for x, y, w in samples)
    patterns: tuple[Pattern, ...] = ()
    if found.limit is not None:
        *sides, infimum = found.limit
        limit = _rational(question, posed, (sides[0], sides[1]), [], points)
        patterns = (Pattern((1,), limit, _shown(infimum * posed.size, question.digits), points, True),)
    made = Fit(rational, _shown(error, question.digits), points, True, *question)
    question.check_forced(made)
    return replace(made, patterns=patterns)


def _shown(error: Fraction, digits: int | None) -> Any:
    """An error as a float, or with the digits asked for."""
    if digits is None:
        return float(error)
    with working_precision(digits):
        return mpmath.mpf(error.numerator) / error.denominator


def _posed(question: Any, samples: tuple[Triple, ...]) -> _Posed:
    p, q = question.degree
    values = {float(x): (x, y) for x, y, _ in samples}
    given: dict[Fraction, Fraction] = {}
    for a, value in question.interpolate:  # at a sample, if there is one at the float that was written
        x, y = values.get(float(a), (a, Fraction(0)))
        given[x] = y if value is None else value
    roots = tuple(sorted(given))
    offset = interpolant(question.target, roots, given) if roots else ()
    ansatz = Ansatz(1, roots, offset)
    if p < ansatz.needed(q):
        raise ValueError(
            f"type {(p, q)} cannot meet {len(roots)} conditions r(a) = value: the numerator needs degree "
            f"{ansatz.needed(q)}"
        )
    p -= len(roots)
    counted = sum(x not in given for x, _, _ in samples)
    if counted < p + q + 2:
        raise ValueError(
            f"type {question.degree} needs at least {p + q + 2 + len(roots)} samples, and there are {len(samples)}: "
            f"lower the degree (a polynomial of degree {len(samples) - 1} passes through all of them)"
        )
    lower, upper = samples[0][0], samples[-1][0]
    change = Change((lower + upper) / 2, (upper - lower) / 2, ansatz)
    rows = []
    for x, y, w in samples:
        factor = Fraction(1)
        for root in roots:
            factor *= x - root
        base = ansatz.offset_at(x, Fraction)
        weight = w * abs(factor)
        rows.append((change.t_of(x), (y - base) / factor if weight else Fraction(0), weight))
    # Where a value is required between samples, Q shall not vanish either.
    rows += [(change.t_of(a), Fraction(0), Fraction(0)) for a in roots if a not in {x for x, _, _ in samples}]
    rows.sort()
    size = _power(max(abs(f) * u for _, f, u in rows))
    heavy = _power(max(u for _, _, u in rows))
    unit = size / heavy
    columns = zip(*((fmpq(t), fmpq(f / unit), fmpq(u / heavy)) for t, f, u in rows), strict=True)
    return _Posed(Table(*map(list, columns)), (p, q), change, unit, size)


def _power(value: Fraction) -> Fraction:
    """A power of two near a number that is not negative; 1 for zero."""
    if value == 0:
        return Fraction(1)
    return Fraction(2) ** (value.numerator.bit_length() - value.denominator.bit_length())


def _in_x(posed: _Posed, points: tuple[Fraction, ...]) -> list[Fraction]:
    return [posed.change.origin + posed.change.scale * t for t in points]


def _rational(
    question: Any, posed: _Posed, sides: Quotient, vanishing: list[Fraction], reference: tuple[Fraction, ...]
) -> Rational:
    """The rational in the user's x, exactly. Floats are evaluated by the barycentric formula on points of the
    reference, and on those at which P and Q nearly vanish."""
    domain, change = question.target.domain, posed.change
    powers = change.restored(sides[0] * fmpq(posed.unit), sides[1], posed.degree)
    top, bottom = (as_chebyshev(side, domain) if domain.bounded else fractions(side) for side in powers)
    largest = max(map(abs, bottom))
    if any(c.denominator > SIMPLE for c in (*top, *bottom)):
        largest = _power(largest)  # dyadic numbers stay dyadic
    top, bottom = tuple(c / largest for c in top), tuple(c / largest for c in bottom)
    wanted = max(len(top), len(bottom))
    others = [x for x in reference if x not in vanishing]
    spread = np.unique(np.round(np.linspace(0, len(others) - 1, max(1, wanted - len(vanishing)))).astype(int))
    support = tuple(sorted({*vanishing, *(others[k] for k in spread)})) if others else ()
    basis = "chebyshev" if domain.bounded else "monomial"
    return Rational(top, bottom, domain, basis, support=support if len(support) == wanted else ())
