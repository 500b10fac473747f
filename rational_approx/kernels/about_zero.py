"""A piece about zero of a prescribed form: chosen powers of x, and coefficients that are fixed.

The form is one of :mod:`problem.prescribed`, as `fit` takes it in place of a degree: the first coefficient of the
denominator is 1, and None stands for a coefficient to find.
"""

from fractions import Fraction

import flint
import numpy as np

from rational_approx.arithmetic.floats import in_format
from rational_approx.arithmetic.polynomials import fmpq
from rational_approx.kernels.coefficient_formats import CoefficientFormats
from rational_approx.kernels.coefficients import Sides, on_lattice
from rational_approx.kernels.forms import terms
from rational_approx.kernels.kernel import Piece
from rational_approx.kernels.scheme import Scheme
from rational_approx.problem.prescribed import Prescribed
from rational_approx.programs.program import INPUT, Constant, Operand, Result, Writer

__all__ = ["estimated", "has_form", "no_number", "piece_of_form", "rounded_sides"]

Data = tuple[np.ndarray, np.ndarray, np.ndarray]
ONE: tuple[Fraction, ...] = (Fraction(1),)


def estimated(form: Prescribed, data: Data, steps: int) -> tuple[float, Sides]:
    """The largest weighted error of a near-best rational of a form at some points, infinite where its denominator may
    vanish, and its coefficients; in the way of :mod:`kernels.estimate`."""
    x, value, weight = data
    powers = x[:, None] ** np.arange(max(form.degree) + 1)
    (top, bottom), scale, lawson = form.free, np.ones_like(x), np.ones_like(x)
    fixed = [np.array([0.0 if c is None else float(c) for c in side]) for side in form]
    right = value * (powers[:, : fixed[1].size] @ fixed[1]) - powers[:, : fixed[0].size] @ fixed[0]
    columns = np.hstack([powers[:, top], -value[:, None] * powers[:, bottom]])
    best: tuple[float, Sides] = np.inf, (ONE, ONE)
    with np.errstate(all="ignore"):
        for _ in range(steps):
            rows = weight * scale * np.sqrt(lawson)
            matrix = columns * rows[:, None]
            if not np.isfinite(matrix).all():
                break
            sizes = np.maximum(np.abs(matrix).max(0), 1e-300)
            c = np.linalg.lstsq(matrix / sizes, rows * right, rcond=None)[0] / sizes
            p, q = fixed[0].copy(), fixed[1].copy()
            p[top], q[bottom] = c[: len(top)], c[len(top) :]
            below = powers[:, : q.size] @ q
            error = weight * np.abs(value - powers[:, : p.size] @ p / below)
            largest = float(error.max())
            if (below > 0).all() and largest < best[0]:
                found = form.filled([Fraction(float(each)) for each in c])
                best = largest, found
            if not np.isfinite(largest) or largest == 0:
                break
            scale = 1 / np.maximum(np.abs(below), 1e-3 * np.abs(below).max())
            lawson = lawson * (error / largest + 1e-3)
            lawson /= lawson.mean()
    return best


def rounded_sides(
    form: Prescribed, sides: Sides, data: Data, room: float, inner: str, formats: CoefficientFormats | None
) -> Sides | None:
    """Coefficients in their formats, the fixed ones as they are; None where none are found."""
    if formats is None:
        return terms(sides[0], inner), terms(sides[1], inner)
    names, fixed = list[str](), dict[int, Fraction]()
    for bottom, side in enumerate(form):
        there = [k for k, c in enumerate(side) if c != 0]
        given = dict(zip(there, formats.of(bool(bottom), len(there))))
        fixed |= {len(names) + k: c for k, c in enumerate(side) if c is not None}
        names += [given.get(k, inner) for k in range(len(side))]
    found = on_lattice(sides, data, room, tuple(names), fixed)
    return None if found is None else (terms(found[0], inner), terms(found[1], inner))


# -- operations ------------------------------------------------------------------------------------------------------


def piece_of_form(sides: Sides, upper: float, scheme: Scheme) -> Piece:
    """The operations for P and Q, in powers of ``x * x`` where they suffice. An odd P ends in a product with x, so that
    -0 stays -0."""
    writer = scheme.writer()
    top, bottom = sides
    value = _side(writer, top) or Constant(Fraction(0))
    if len(bottom) > 1:
        value = writer.do("div", value, _side(writer, bottom) or Constant(Fraction(1)))
    names = [f"{name} of degree {len(side) - 1}" for name, side in zip("PQ", sides)]
    about = f"P / Q about zero, {names[0]}, {names[1]}" if len(bottom) > 1 else f"P about zero, {names[0]}"
    return Piece(upper, tuple(writer.steps), value, about)


def _side(writer: Writer, c: tuple[Fraction, ...]) -> Operand | None:
    """A polynomial in x; None of one that is zero."""
    there = [k for k, each in enumerate(c) if each]
    if not there:
        return None
    first = there[0]
    alike = all((k - first) % 2 == 0 for k in there) and len(there) > 1
    if alike:
        value = writer.polynomial(c[first : there[-1] + 1 : 2], writer.do("mul", INPUT, INPUT))
    else:
        value = writer.polynomial(c[first : there[-1] + 1], INPUT)
    for factor in [writer.do("mul", INPUT, INPUT)] * (first // 2) + [INPUT] * (first % 2):
        one = isinstance(value, Constant) and value.value == 1
        value = factor if one else writer.do("mul", value, factor)
    return value


# -- what a piece is -------------------------------------------------------------------------------------------------

Quotient = tuple[flint.fmpq_poly, flint.fmpq_poly]


def _exact_quotient(piece: Piece) -> Quotient | None:
    """P and Q of a piece with exact operations; None where it has others than those of arithmetic."""
    unit = flint.fmpq_poly([1])
    known: list[Quotient] = []

    def of(which: Operand | None) -> Quotient:
        if isinstance(which, Constant):
            return flint.fmpq_poly([fmpq(which.value)]), unit
        return known[which.step] if isinstance(which, Result) else (flint.fmpq_poly([0, 1]), unit)

    def added(left: Quotient, right: Quotient) -> Quotient:
        if left[1] == right[1]:
            return left[0] + right[0], left[1]
        return left[0] * right[1] + right[0] * left[1], left[1] * right[1]

    for op, names in piece.steps:
        if op not in ("add", "sub", "mul", "div", "fma"):
            return None
        (a, b), (c, d), *rest = map(of, names)
        if op == "div":
            known.append((a * d, b * c))
        elif op in ("mul", "fma"):
            product = a * c, b * d
            known.append(added(product, rest[0]) if rest else product)
        else:
            known.append(added((a, b), (c if op == "add" else -c, d)))
    return None if piece.result is None else of(piece.result)


def has_form(piece: Piece, form: Prescribed) -> bool:
    """Whether a piece with exact operations is a quotient of the form."""
    found = _exact_quotient(piece)
    return found is not None and found[1][0] != 0 and form.holds(found[0] / found[1][0], found[1] / found[1][0])


def no_number(form: Prescribed, inner: str) -> Fraction | None:
    """A fixed coefficient that is no number of a format; None without one."""
    return next((c for side in form for c in side if c is not None and not in_format(c, inner)), None)
