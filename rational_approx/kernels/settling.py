"""A piece is settled: its coefficients are found, and it holds at every number tried of its stretch.

It is fitted at its own inputs, in the units in which it will be judged: the best of its type at up to some hundred of
them, rounded to the wider format, and run at all that are tried. The type is raised until that holds.
"""

from dataclasses import replace
from fractions import Fraction
from math import inf

import numpy as np

from rational_approx import watch
from rational_approx.expressions.quotients import quotient_of
from rational_approx.kernels.about_zero import estimated, piece_of_form, rounded_sides
from rational_approx.kernels.barycentric import barycentric
from rational_approx.kernels.coefficients import Sides, in_short_format, shortened
from rational_approx.kernels.estimate import Estimate, estimate
from rational_approx.kernels.facts import errors_at
from rational_approx.kernels.forms import Form, form_piece, in_powers, terms
from rational_approx.kernels.kernel import BRANCH, Kernel, NoKernel, Piece, operations
from rational_approx.kernels.ranking import HOPELESS, QUICK, cost
from rational_approx.kernels.stretches import Stretch
from rational_approx.kernels.tails import infinite
from rational_approx.kernels.transcripts import Transcripts
from rational_approx.programs.program import Constant

__all__ = ["MARGIN", "settled"]

POINTS, CAREFUL = 300, 25
"""At so many inputs a piece is fitted, in so many steps."""
MARGIN = 0.85
"""The share of the error that a piece's fit may take: rounding in float32 and other inputs take some."""
TRIES = 6
"""So many types of a form are rounded and run."""


def settled(stretch: Stretch, forms: list[Form], formulas: Transcripts, room: float, wanted: float) -> Piece:
    """The piece with the fewest operations that holds at every number tried of its stretch."""
    if stretch.prescribed:
        return _of_prescribed_form(stretch, room, wanted)
    if (value := stretch.constant()) is not None:
        if value:
            return replace(infinite(value, stretch.known.format), upper=stretch.upper)
        return Piece(stretch.upper, (), Constant(Fraction(0)), "smaller than every number of the format")
    exactly = _itself(stretch)
    if exactly is not None and _largest(exactly, None, stretch) > wanted:
        exactly = None
    formula = formulas.piece(stretch.start, stretch.stop, stretch.upper)
    if exactly is None or (formula is not None and formulas.operations(formula) < operations(exactly)):
        exactly = formula
    if exactly is not None and not in_short_format(exactly, stretch.scheme.coefficients):
        exactly = None
    enough = inf if exactly is None else formulas.operations(exactly)
    for form in forms[:4]:
        if cost(form, (0, 0), stretch.scheme) - BRANCH > enough:
            continue
        v, g, weight = stretch.data(form, POINTS)
        tried = 0
        for p, q in stretch.types:
            watch.check()
            if p + q + 1 > v.size or tried == TRIES:
                break
            found = estimate(v, g, weight, p, q, CAREFUL, HOPELESS * room)
            if found.error > room:
                continue
            tried += 1
            sides = _sides(found, form, room, stretch)
            if sides is None:
                continue
            parts = None
            if stretch.scheme.order == "barycentric" and not in_powers((p, q)):
                parts = barycentric(
                    found.powers(), stretch.seen(form), form.variable, stretch.known.format, stretch.inner
                )
                if parts is None:
                    continue
            piece = form_piece(form, *sides, stretch.upper, stretch.scheme, parts)
            if in_short_format(piece, stretch.scheme.coefficients) and _largest(piece, form, stretch) <= wanted:
                if exactly is None or formulas.operations(exactly) > operations(piece, form.functions):
                    return piece
                return exactly
    if exactly is not None:
        return exactly
    short = stretch.scheme.coefficients
    kind = stretch.inner if short is None else short.words
    raise NoKernel(
        f"no coefficients in {kind} were found for inputs from {float(stretch.known.x[stretch.start])!r} to "
        f"{stretch.upper!r}: ask for a larger error"
    )


def _of_prescribed_form(stretch: Stretch, room: float, wanted: float) -> Piece:
    """The piece of the prescribed form."""
    form, scheme = stretch.scheme.form, stretch.scheme
    assert form is not None
    data = stretch.data(Form(0, "x"), POINTS)
    error, sides = estimated(form, data, CAREFUL)
    if error <= room:
        found = rounded_sides(form, sides, data, room / MARGIN, stretch.inner, scheme.coefficients)
        piece = None if found is None else piece_of_form(found, stretch.upper, scheme)
        if piece and in_short_format(piece, scheme.coefficients) and _largest(piece, None, stretch) <= wanted:
            return piece
    raise NoKernel(
        f"no coefficients of a piece about zero with {form} were found: give more powers, or ask for a larger error"
    )


def _sides(found: Estimate, form: Form, room: float, stretch: Stretch) -> Sides | None:
    """The coefficients of numerator and denominator in their format; None where there are none in a short one."""
    if stretch.scheme.coefficients is not None:
        return shortened(found, stretch.data(form, QUICK), room / MARGIN, stretch.scheme.coefficients)
    return _rounded(found.powers(), stretch.inner)


def _rounded(sides: Sides, inner: str) -> Sides | None:
    """Coefficients in a format; None where one is too large."""
    if max(map(abs, sum(sides, ()))) > Fraction(float(np.finfo(inner).max)):
        return None
    return terms(sides[0], inner), terms(sides[1], inner)


def _itself(stretch: Stretch) -> Piece | None:
    """The target itself, where it is a rational of a type that is tried, and is written in powers."""
    x = stretch.known.x
    if any(x[stretch.start] <= zero <= stretch.upper for zero in stretch.known.zeros):
        return None
    found = quotient_of(stretch.known.target.on(Fraction(float(x[stretch.start])), Fraction(stretch.upper)).tree)
    if found is None or not found[1].coeffs():
        return None
    top, bottom = ([Fraction(int(c.p), int(c.q)) for c in side.coeffs()] or [Fraction(0)] for side in found)
    times = next((k for k, c in enumerate(top) if c), 0)
    type = len(top) - times - 1, len(bottom) - 1
    if type not in stretch.types or not bottom[0]:
        return None
    if stretch.scheme.order == "barycentric" and not in_powers(type):
        return None
    sides = _rounded((tuple(c / bottom[0] for c in top[times:]), tuple(c / bottom[0] for c in bottom)), stretch.inner)
    return None if sides is None else form_piece(Form(times, "x"), *sides, stretch.upper, stretch.scheme)


def _largest(piece: Piece, form: Form | None, stretch: Stretch) -> float:
    """The largest error at the numbers tried of its stretch."""
    part = slice(stretch.start, stretch.stop)
    functions = () if form is None else form.functions
    kernel = Kernel(stretch.known.format, stretch.inner, (piece,), functions, stretch.scheme)
    return float(errors_at(kernel, stretch.known, part).max())
