"""The best fit of a prescribed form: a `Question` and its form in, a `Fit` with both bounds proved out.

Alternation does not prove it: where powers are chosen or coefficients fixed, the best error need not alternate, and the
best need not be unique. What is promised is less and enough: the proof's own search bounds the error from above, and
multipliers bound that of every rational of the form from below (:mod:`exchange.optimality`). The two agree to
:data:`AGREED`, or nothing is returned as converged. Points at which the search sees a larger error join the grid.
"""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import flint
import mpmath
import numpy as np
from flint import arb

from rational_approx import watch
from rational_approx.arithmetic.polynomials import common_factor_removed, exact
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits, working_precision
from rational_approx.arithmetic.signs import denominator_sign, turns
from rational_approx.exchange.optimality import levelled, lower_bound, peak
from rational_approx.exchange.prescribed import Grid, Level, Place, Unsolved, programmed
from rational_approx.expressions.quotients import quotient_of
from rational_approx.fitting.last_look import AGREED, last_look
from rational_approx.fitting.result import DidNotConverge, Fit
from rational_approx.problem.prescribed import Prescribed
from rational_approx.rationals.rational import Rational
from rational_approx.targets.target import Target

__all__ = ["fitted_to_form"]

ROUNDS = 8
"""How often the grid may get the points that it missed."""
PATIENCE = 2
"""After so many rounds it is asked whether there is a best one."""
NOTHING = 1e-8
"""A share of the largest Q at which, where nothing is found, Q is on its way to zero."""
NEARLY = 1e-6
"""The relative difference of a linear programme's error to one that is forced that is taken for none."""
MARGIN = 50
"""How many binary digits below the error, over the domain, the slope of a monotone fit is kept from zero."""
PRECISIONS = (1, 2, 4)
"""Times the usual number of bits: powers of x far from 0 are nearly dependent."""


def fitted_to_form(question: Any, form: Prescribed, direction: int = 0) -> Fit:
    """The best fit of a form; with a fixed Q and a direction of 1 or -1 the best that increases or decreases.

    Raises
    ------
    DidNotConverge
        where the two bounds do not meet; the best attempt, if any, is its ``fit``.
    """
    known = _target_itself(question, form)
    if known is not None and not (direction and turns(*known.rational.polynomials, known.rational.domain, direction)):
        return known
    attempt: Fit | None = None
    reason, cause = "", "unknown"
    usual = 256 + 24 * form.size + int(6.7 * (question.digits or 0))
    for factor in PRECISIONS:
        with working_bits(factor * usual):
            try:
                found = _searched(question, form, direction)
            except Unsolved as problem:
                reason, cause = str(problem), problem.cause
                continue
            except watch.OutOfTime:
                reason, cause = "the time was over: raise time_limit=", "time"
                break
        if found.converged:
            return found
        attempt, reason = found, "its error and the lower bound of all others do not meet"
    raise DidNotConverge(
        f"the best rational with {form} for {question.target!r} was not found ({reason}): leave more coefficients "
        "free, or choose other powers or a smaller domain",
        attempt,
        cause,
    )


def _target_itself(question: Any, form: Prescribed) -> Fit | None:
    """The target, where it is a rational of the form."""
    parts = [quotient_of(piece.expression.tree) for piece in question.target.pieces]
    if any(part is None for part in parts):
        return None
    (p, q), *others = [common_factor_removed(*part) for part in parts if part is not None]
    if any(p * below != q * above for above, below in others) or q[0] == 0 or not form.holds(p / q[0], q / q[0]):
        return None
    top, bottom = (
        tuple(exact((side / q[0])[k]) for k in range(len(own))) for side, own in zip((p, q), form, strict=True)
    )
    rational, zero = Rational(top, bottom, question.target.domain, "monomial"), Fraction(0)
    found = Fit(rational, _shown(arb(0), question.digits), (question.target.domain.lower,), True, *question)
    return replace(found, upper=zero, lower=zero, form=form)


def _searched(question: Any, form: Prescribed, direction: int) -> Fit:
    grid = Grid(question.target, form, 16 * form.size // len(question.target.pieces) + 48, direction)
    level, found, reason = None, None, "the points of the reference did not settle"
    for round_ in range(ROUNDS):
        level = programmed(grid, None if level is None else level.c)
        try:
            settled = levelled(grid, level)
        except Unsolved as problem:
            if round_ >= PATIENCE:
                _check_attained(grid, level)
            _check_free(form, grid, level.h)
            reason = str(problem)
            if not _refined(grid, level):
                raise
            continue
        lower = lower_bound(grid, settled)
        if direction:
            settled = _strictly(grid, settled)
        rational = _rational(question.target, form, settled.c)
        _, free, zero = denominator_sign(rational.polynomials[1], question.target.domain)
        if not free:
            reason = "the denominator of the levelled rational has a zero on the domain"
            if zero is None:
                raise Unsolved(reason)
            _join(grid, [zero])
            continue
        found, missed = _fit(question, form, rational, settled, lower)
        if direction and (wrong := turns(*rational.polynomials, rational.domain, direction)):
            found, missed = replace(found, converged=False), [*missed, *wrong]
        if found.converged or not missed:
            if not found.converged:
                _check_free(form, grid, settled.h)
            return found
        _join(grid, missed)
    if found is None:
        raise Unsolved(reason)
    return found


def _strictly(grid: Grid, level: Level) -> Level:
    """The best with a slope of at least a tiny share of the error: where the best of all touches zero, rounding would
    take it below."""
    width = to_arb(Fraction(grid.target.domain.upper) - Fraction(grid.target.domain.lower))
    grid.margin = abs(level.h) / width * arb(2) ** -MARGIN
    try:
        return levelled(grid, level)
    finally:
        grid.margin = arb(0)


def _check_attained(grid: Grid, level: Level) -> None:
    """Unsolved, with the reason, where no best one exists: Q tends to zero somewhere, with or without P."""
    values = {place.x: _dot(grid.row(place)[1], level.c) for place in grid.places()}
    least = min(values, key=lambda x: float(values[x]))
    if values[least] < NOTHING * max(values.values(), key=float):
        raise Unsolved(
            f"the smaller the error, the nearer the denominator comes to zero at x = {float(least):.6g}: none is the "
            "best, or one of a smaller type is"
        )


def _dot(row: list[arb], c: list[arb]) -> arb:
    return sum((x * y for x, y in zip(row, c, strict=True)), arb(0))


def _check_free(form: Prescribed, grid: Grid, h: arb) -> None:
    """Unsolved where the error is the one at 0 that a fixed first coefficient forces: then there are many best ones."""
    for index, (lower, upper) in enumerate(grid.ends):
        if form.p[0] is not None and lower <= 0 <= upper:
            a, b = grid.row(Place(index, Fraction(0)))
            forced = abs(a[len(form.free[0])] / b[len(form.free[0])])
            if forced > 0 and h < forced * (1 + arb(NEARLY)):
                raise Unsolved(
                    f"the coefficient {form.p[0]} is so far from f(0) that no error elsewhere counts, and there are "
                    "many best ones",
                    "condition",
                )


def _refined(grid: Grid, level: Level) -> bool:
    """Put the peaks of the error beside the points of a programme on the grid; False where they are on it."""
    before = len(grid.rows)
    for place in level.places:
        there = peak(grid, place, level.c)
        grid.add(there.piece, [there.x])
    return len(grid.rows) > before


def _join(grid: Grid, missed: list[Fraction]) -> None:
    for index, piece in enumerate(grid.target.pieces):
        grid.add(index, [x for x in missed if piece.lower <= x <= piece.upper])


def _rational(target: Target, form: Prescribed, c: list[arb]) -> Rational:
    """The rational with ``Q(0) = 1``; Unsolved where Q vanishes at 0."""
    unit = len(form.free[0])
    if not abs(c[unit]) > max((abs(x) for x in c), key=float) * arb(2) ** -(flint.ctx.prec // 4):
        raise Unsolved("the denominator of the best one vanishes at x = 0, so that it cannot be written with Q(0) = 1")
    # What symmetry makes zero is zero but for rounding.
    reach = max(abs(to_arb(Fraction(end))) for end in (target.domain.lower, target.domain.upper))
    sizes = [abs(x) * reach**k for x, k in zip(c, [*form.free[0], 0, *form.free[1]], strict=True)]
    least = max(sizes, key=float) * arb(2) ** -(flint.ctx.prec // 2)
    values = [
        to_fraction(x / c[unit]) if size > least else Fraction(0)
        for k, (x, size) in enumerate(zip(c, sizes, strict=True))
        if k != unit
    ]
    top, bottom = form.filled(values)
    rational = Rational(top, bottom, target.domain, "monomial")
    if target.domain.lower <= 0 <= target.domain.upper:
        return rational
    # Near 0 floats are best evaluated in powers of x, and far from it worst: the powers nearly cancel.
    middle, half = (Fraction(end) / 2 for end in (target.domain.lower, target.domain.upper))
    middle, half = middle + half, half - middle
    count = max(form.degree) + 1
    nodes = np.sin(np.pi * (np.arange(count) - (count - 1) / 2) / count)
    return replace(rational, support=tuple(Fraction(float(middle + half * Fraction(float(t)))) for t in nodes))


def _fit(
    question: Any, form: Prescribed, rational: Rational, level: Level, lower: Fraction | None
) -> tuple[Fit, list[Fraction]]:
    """The fit with both bounds, and points at which its error is larger than the levelled one."""
    tiny, zeros = Fraction(1, 2 ** (flint.ctx.prec // 4)), question.target.relative_zeros
    known = [place.x for place in level.places if not place.wall]
    points = {next((z for z in zeros if abs(x - z) <= tiny), x) for x in known}
    found = Fit(rational, _shown(level.h, question.digits), tuple(sorted(points)), False, *question)
    seen = last_look(found)
    upper = None if seen is None else seen.upper
    near = upper is not None and lower is not None and upper <= lower * (1 + 2 * AGREED)
    missed = [] if seen is None else [x for x in seen.missed if isinstance(x, Fraction)]
    return replace(found, converged=near, upper=upper, lower=lower, form=form), missed


def _shown(error: arb, digits: int | None) -> Any:
    """An error as a float, or with the digits asked for."""
    value = to_fraction(error)
    if digits is None:
        return float(value)
    with working_precision(digits):
        return mpmath.mpf(value.numerator) / value.denominator
