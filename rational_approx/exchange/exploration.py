"""The exchange in multiprecision arithmetic from a rough start, for errors that float64 cannot see.

Below some 1e-13 of the target's size float64 shows noise where the error should be. The same three steps are then
taken with balls: (2) of :mod:`exchange.levelled` by all eigenvalues of ``B^{-1} M``, peaks by a look at a few
points in each gap, and one Newton step to each of them. Functions approximated so well are smooth, and a few points are
enough; where poles come close they are not, so that peaks that have settled are looked for once more between many.
"""

from itertools import pairwise
from typing import NamedTuple

import flint
import numpy as np

from rational_approx.arithmetic.alternation import alternating
from rational_approx.arithmetic.precision import to_arb, working_bits
from rational_approx.exchange.equations import Equations
from rational_approx.exchange.relaxed import Record
from rational_approx.exchange.stationary import Point, Unfinished, error_jet, moved, placed
from rational_approx.problem.reduction import Reduced

__all__ = ["Explored", "explored"]

LOOKS, MANY_LOOKS = 6, 32
ROUNDS = 40


class Explored(NamedTuple):
    """A nearly levelled reference: what the finish starts from. ``exact`` where the target itself is of the type."""

    reference: np.ndarray
    h: float
    q_values: np.ndarray
    deviation: float
    exact: bool
    history: tuple[Record, ...]


def explored(problem: Reduced, degree: tuple[int, int], start: np.ndarray, digits: int) -> Explored:
    """Exchange from a start until the peaks agree to a thousandth, which is where the finish takes over.

    An error of zero to many digits may still be one that is only very small, as that of ``exp`` is in type (20, 20):
    the target counts as a rational of the type where four times as many digits show none either.

    Raises
    ------
    Unfinished
        where a reference levels no rational without a pole, or the peaks do not settle.
    """
    found = _explored(problem, degree, start, digits)
    return _explored(problem, degree, start, 4 * digits + 20) if found.exact else found


def _explored(problem: Reduced, degree: tuple[int, int], start: np.ndarray, digits: int) -> Explored:
    with working_bits(int(6.7 * digits) + 128 + 10 * start.size):
        points = [placed(problem, t) for t in start]
        history: list[Record] = []
        looks = LOOKS
        for _ in range(ROUNDS):
            equations = Equations(points, degree)
            h, q_values = _eigenvector(equations)
            size = max((abs(s) for s in equations.s), key=float)
            if abs(h) <= size * flint.arb(10) ** -(2 * digits + 20):
                floats = np.array([float(q) for q in q_values])
                return Explored(_floats(points), float(h), floats, 0.0, True, tuple(history))
            p, q = equations.polynomials(h, q_values)
            peaks = _peaks(problem, points, p, q, h, looks)
            if not peaks:
                raise Unfinished("the error has no peak")
            largest = max(abs(e) for _, e in peaks)
            history.append(Record(degree, abs(float(h)), largest * abs(float(h)), 1.0))
            chosen = alternating([e for _, e in peaks], len(points))
            if chosen is None:
                raise Unfinished("fewer peaks than points of the reference")
            points = [peaks[k][0] for k in chosen]
            if any(not a.t < b.t for a, b in pairwise(points)):
                raise Unfinished("two points of the reference met")
            if largest < 1.001 and looks == LOOKS:
                looks = MANY_LOOKS
            elif largest < 1.001:
                h, q_values = _eigenvector(Equations(points, degree))
                floats = np.array([float(v) for v in q_values])
                return Explored(_floats(points), float(h), floats, largest - 1, False, tuple(history))
    raise Unfinished("the peaks do not settle")


def _floats(points: list[Point]) -> np.ndarray:
    return np.array([float(point.t) for point in points])


def _eigenvector(equations: Equations) -> tuple[flint.arb, list[flint.arb]]:
    """The eigenvalue whose eigenvector, as values of Q, has its signs on the reference; the smallest if several do."""
    m, b = equations.m, equations.b
    if m.nrows() == 1:
        return (m[0, 0] / b[0, 0]).mid(), equations.signed([flint.arb(1)] * len(equations.points))
    quotient = b.solve(m, algorithm="approx").mid()
    values, vectors = flint.acb_mat(quotient).eig(right=True, algorithm="approx")
    found = []
    for k, value in enumerate(values):
        v = flint.arb_mat([[vectors[i, k].real.mid()] for i in range(m.nrows())])
        w = flint.arb_mat([[vectors[i, k].imag.mid()] for i in range(m.nrows())])
        if max(abs(float(w[i, 0])) for i in range(m.nrows())) > max(abs(float(v[i, 0])) for i in range(m.nrows())):
            v = w  # an eigenvector is known up to a complex factor, and LAPACK-like routines leave it free
        q_values = [(equations.lagrange * v)[i, 0].mid() for i in range(len(equations.points))]
        try:
            found.append((abs(float(value.real)), value.real.mid(), equations.signed(q_values)))
        except Unfinished:
            continue
    if not found:
        raise Unfinished("no eigenvector of the level equations has the signs of the denominator on the reference")
    _, h, q_values = min(found, key=lambda item: item[0])
    return h, q_values


def _peaks(
    problem: Reduced, points: list[Point], p: flint.arb_poly, q: flint.arb_poly, h: flint.arb, looks: int
) -> list[tuple[Point, float]]:
    """Candidates on every piece with their error over ``h``: local maxima of a look, moved by a Newton step."""
    out = []
    for piece in problem.pieces:
        lower, upper = to_arb(piece.lower).mid(), to_arb(piece.upper).mid()
        marks = [lower, *(point.t for point in points if lower < point.t < upper), upper]
        look = [lower]
        for a, b in pairwise(marks):
            look += [(a + (b - a) * k / looks).mid() for k in range(1, looks)] + [b]
        errors = [float((error_jet(piece, t, p, q, 1)[0] / h).mid()) for t in look]
        for k, e in enumerate(errors):
            beside = [errors[j] for j in (k - 1, k + 1) if 0 <= j < len(errors)]
            if all(abs(e) >= abs(other) or e * other < 0 for other in beside):
                point = Point(look[k], piece, k in (0, len(look) - 1))
                before = point.t
                better = float((moved(point, p, q) / h).mid())
                if abs(better) < abs(e) or better * e < 0:
                    point.t, better = before, e
                out.append((point, better))
    return out
