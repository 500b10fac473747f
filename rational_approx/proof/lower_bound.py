"""De la Vallée-Poussin: an error that alternates often enough bounds the best possible error from below."""

from fractions import Fraction

import flint

from rational_approx.arithmetic.polynomials import exact, fmpq
from rational_approx.proof.certificate import Point
from rational_approx.rationals.rational import Rational
from rational_approx.targets.samples import Triple

__all__ = ["alternating", "sample_errors"]


def alternating(
    points: list[tuple[Point, int, Fraction]],
    degree: tuple[int, ...],
    polynomials: tuple[flint.fmpq_poly, flint.fmpq_poly],
    turned: tuple[int, ...] = (),
    flips: dict[int, int] | None = None,
) -> tuple[Fraction, tuple[Point, ...], tuple[int, ...]]:
    """The best lower bound from evaluated points, and the alternating reference and its signs that prove it.

    ``points`` hold a place, the proved sign of the error there, and a proved lower bound of its size. If the error of
    a rational of type (p, q) alternates on ``p + q + 2 - d`` points, no rational of that type has a smaller largest
    error than the smallest of these, where d is the defect ``min(p - deg P, q - deg Q)``, and q of the zero function.

    ``turned`` are the pieces that begin at a zero that every rational of finite error shares with the target. There
    the difference of two of them vanishes: without these factors ``x - z`` its degree is lower by one for each, and so
    is the number of points, and the signs alternate once those of the factors are taken off.

    ``flips`` has for each piece the sign of Q there times that of the competitors' Q (its theorem:
    docs/approximation/semantics.md): where it is -1, the sign of the error counts as the other one. Without it, all
    are 1.
    """

    def side(entry: tuple[Point, int, Fraction]) -> int:
        flip = 1 if flips is None else flips[entry[0].piece]
        return entry[1] * flip * (-1) ** sum(piece <= entry[0].piece for piece in turned)

    runs: list[tuple[Point, int, Fraction]] = []
    for entry in sorted(points, key=lambda entry: (entry[0].piece, entry[0].x)):
        if entry[1] == 0:
            continue
        if runs and side(runs[-1]) == side(entry):
            if entry[2] > runs[-1][2]:
                runs[-1] = entry
        else:
            runs.append(entry)
    top, bottom = polynomials
    defect = max(0, min(degree[0] - top.degree(), degree[1] - bottom.degree())) if top != 0 else degree[1]
    count = degree[0] + degree[1] + 2 - len(turned) - defect
    if len(runs) < count or count < 1:
        return Fraction(0), (), ()
    while len(runs) > count:
        # Drop what is smallest and keep the signs alternating: an end alone, or an inner point with a neighbour.
        smallest = min(range(len(runs)), key=lambda i: runs[i][2])
        if smallest in (0, len(runs) - 1):
            del runs[smallest]
        elif len(runs) - count >= 2:
            other = min(smallest - 1, smallest + 1, key=lambda i: runs[i][2])
            for i in sorted((smallest, other), reverse=True):
                del runs[i]
        else:
            del runs[0 if runs[0][2] < runs[-1][2] else -1]
    places, signs = tuple(entry[0] for entry in runs), tuple(entry[1] for entry in runs)
    return min(entry[2] for entry in runs), places, signs


def sample_errors(rational: Rational, samples: tuple[Triple, ...]) -> list[tuple[Point, int, Fraction]]:
    """Every place, the sign of the weighted error there, and its size."""
    top, bottom = rational.polynomials
    errors = [(x, weight * (y - exact(top(fmpq(x))) / exact(bottom(fmpq(x))))) for x, y, weight in samples]
    return [(Point(0, x), (error > 0) - (error < 0), abs(error)) for x, error in errors]
