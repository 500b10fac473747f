"""De la Vallée-Poussin: an error that alternates often enough bounds the best possible error from below."""

from fractions import Fraction

import flint

from rational_approx.arithmetic.alternation import alternating
from rational_approx.arithmetic.polynomials import exact, fmpq
from rational_approx.proof.certificate import Point
from rational_approx.rationals.rational import Rational
from rational_approx.targets.samples import Triple

__all__ = ["least_error", "sample_errors"]


def least_error(
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

    ordered = sorted(points, key=lambda entry: (entry[0].piece, entry[0].x))
    shown = [entry for entry in ordered if entry[1] and entry[2]]
    top, bottom = polynomials
    defect = max(0, min(degree[0] - top.degree(), degree[1] - bottom.degree())) if top != 0 else degree[1]
    count = degree[0] + degree[1] + 2 - len(turned) - defect
    chosen = alternating([side(entry) * entry[2] for entry in shown], count) if count > 0 else None
    if chosen is None:
        return Fraction(0), (), ()
    reference = [shown[k] for k in chosen]
    return min(entry[2] for entry in reference), *zip(*(entry[:2] for entry in reference))


def sample_errors(rational: Rational, samples: tuple[Triple, ...]) -> list[tuple[Point, int, Fraction]]:
    """Every place, the sign of the weighted error there, and its size."""
    top, bottom = rational.polynomials
    errors = [(x, weight * (y - exact(top(fmpq(x))) / exact(bottom(fmpq(x))))) for x, y, weight in samples]
    return [(Point(0, x), (error > 0) - (error < 0), abs(error)) for x, error in errors]
