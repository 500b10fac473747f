"""The slope of a rational where it comes nearest to zero, for searches over coefficients that shall keep its sign."""

from dataclasses import dataclass

import numpy as np

from rational_approx.rationals.rational import Rational

__all__ = ["Slopes"]

DENSE = 4000
NOISE = 1e-13
"""What rounding may do to a slope, as a share of its terms."""


@dataclass(frozen=True)
class Slopes:
    """Values of P, P', Q and Q', each ``[points]``, and what each coefficient adds to them, ``[points, coefficients]``,
    at the least slopes of every interval."""

    direction: int
    values: tuple[np.ndarray, ...]
    tables: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, rational: Rational, scale: float, direction: int) -> "Slopes":
        """Those of a rational whose P and Q are scaled together."""
        p, q = (np.array([float(c) * scale for c in side]) for side in (rational.numerator, rational.denominator))
        places = []
        for lower, upper in rational.domain.intervals:
            x = np.linspace(max(float(lower), -1e3), min(float(upper), 1e3), DENSE)
            tables = _tables(rational, x, p.size, q.size)
            top, top_slope, bottom, bottom_slope = (t @ np.r_[p, q] for t in tables)
            slope = direction * (top_slope * bottom - top * bottom_slope) / bottom**2
            padded = np.r_[np.inf, slope, np.inf]
            places.append(x[(slope <= padded[:-2]) & (slope <= padded[2:])])
        tables = _tables(rational, np.concatenate(places), p.size, q.size)
        return cls(direction, tuple(t @ np.r_[p, q] for t in tables), tables)

    def kept(self, change: np.ndarray, active: tuple[int, ...]) -> np.ndarray:
        """Whether the slope has its sign after each change ``[count, active coefficients]`` of the coefficients."""
        top, top_slope, bottom, bottom_slope = (
            value + change @ table[:, active].T for value, table in zip(self.values, self.tables, strict=True)
        )
        first, second = top_slope * bottom, top * bottom_slope
        least = NOISE * (np.abs(first) + np.abs(second))
        return np.asarray((self.direction * (first - second) >= least).all(1))


def _tables(rational: Rational, x: np.ndarray, p: int, q: int) -> tuple[np.ndarray, ...]:
    """What each coefficient, those of P first, adds to P, P', Q and Q' at points."""
    count = max(p, q)
    if rational.basis == "monomial":
        table = np.vander(x, count, increasing=True)
        slope = np.hstack([np.zeros((x.size, 1)), table[:, :-1] * np.arange(1, count)])
    else:
        lower, upper = float(rational.domain.lower), float(rational.domain.upper)
        t = (2 * x - lower - upper) / (upper - lower)
        table = np.polynomial.chebyshev.chebvander(t, count - 1)
        each = [np.polynomial.chebyshev.chebval(t, np.polynomial.chebyshev.chebder(row)) for row in np.eye(count)]
        slope = 2 / (upper - lower) * np.array(each).T
    none_p, none_q = np.zeros((x.size, p)), np.zeros((x.size, q))
    return (
        np.hstack([table[:, :p], none_q]),
        np.hstack([slope[:, :p], none_q]),
        np.hstack([none_p, table[:, :q]]),
        np.hstack([none_p, slope[:, :q]]),
    )
