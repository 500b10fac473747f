"""Other forms of the same rational, as code would evaluate them in float64, and what each of them loses.

Every conversion between them is exact in the coefficients. What is lost is lost by rounding these to float64 and
calculating with them, and :func:`losses` measures it against the exact function.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import flint
import numpy as np

from rational_approx.arithmetic.domain import Domain
from rational_approx.arithmetic.polynomials import exact, fmpq, fractions, isolated_roots
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits

__all__ = ["Barycentric", "SafePade", "losses", "safe_pade"]

Coefficients = tuple[Fraction, ...]


class SafePade(NamedTuple):
    """``P(x) / (1 + abs(S(x)))`` in powers of x: no pole on the real line, whatever the coefficients."""

    numerator: Coefficients
    denominator: Coefficients

    def __call__(self, x: Any) -> Any:
        """Evaluate at floats or arrays."""
        powers = np.polynomial.polynomial.polyval
        p, s = ([float(c) for c in side] for side in self)
        return powers(x, p) / (1 + np.abs(powers(x, s)))


class Barycentric(NamedTuple):
    """``sum_k a_k / (x - x_k)  /  sum_k b_k / (x - x_k)`` on nodes x_k, where its value is ``a_k / b_k``.

    It stays accurate where Q varies over many orders of magnitude (Berrut & Trefethen 2004).
    """

    nodes: np.ndarray
    numerator: np.ndarray
    denominator: np.ndarray

    def __call__(self, x: Any) -> Any:
        """Evaluate at floats or arrays."""
        points = np.asarray(x, dtype=np.float64)
        flat = points.ravel()
        out = np.empty_like(flat)
        for start in range(0, flat.size, 1 << 15):  # bounded memory: the table below has one row a point
            part = flat[start : start + (1 << 15)]
            with np.errstate(divide="ignore", invalid="ignore"):
                cauchy = 1.0 / (part[:, None] - self.nodes)
                values = (cauchy @ self.numerator) / (cauchy @ self.denominator)
            hit, node = np.nonzero(part[:, None] == self.nodes)
            values[hit] = self.numerator[node] / self.denominator[node]
            out[start : start + (1 << 15)] = values
        return out.reshape(points.shape) if points.ndim else float(out[0])


def losses(
    forms: Mapping[str, Callable[[Any], Any]], function: Callable[[Any], Any], domain: Domain, points: int = 400
) -> dict[str, float]:
    """The largest change of the values by each form in float64, over the largest value: measured, not proved.

    At Chebyshev points of each interval (up to ``points``), against ball arithmetic with the exact ``function``.
    """
    pieces = []
    for lower, upper in domain.intervals:
        low, high = max(float(lower), -100.0), min(float(upper), 100.0)
        t = (1 - np.cos(np.linspace(0, np.pi, max(2, points // len(domain.intervals))))) / 2
        pieces.append(np.clip(low + (high - low) * t, low, high))
    x = np.concatenate(pieces)
    with working_bits(2000):
        exact = np.array([float(to_fraction(function(to_arb(Fraction(v))))) for v in x])
    size = float(np.abs(exact).max()) or 1.0
    return {name: float(np.abs(form(x) - exact).max()) / size for name, form in forms.items()}


def safe_pade(p: flint.fmpq_poly, q: flint.fmpq_poly, domain: Domain) -> SafePade:
    """The form ``P / (1 + abs(S))`` that equals ``p / q`` on the domain, with a constant term in ``S``.

    Scaling both polynomials by ``1 / min Q`` makes ``S = Q - 1`` non-negative there, so that the absolute value
    changes nothing. It exists for every rational whose denominator has one sign on its domain.

    Raises
    ------
    ValueError
        if the denominator changes sign on the domain.
    """
    if not domain.bounded:
        raise ValueError("a safe-Padé form needs a bounded domain")
    candidates = [end for interval in domain.intervals for end in interval]
    candidates += [
        Fraction(root.value.real)
        for root in isolated_roots(q.derivative())
        if abs(root.value.imag) <= 1e-12 * max(1.0, abs(root.value)) and Fraction(root.value.real) in domain
    ]
    values = [exact(q(fmpq(x))) for x in candidates]  # type: ignore[arg-type]
    if min(values) <= 0 <= max(values):
        raise ValueError("the denominator changes sign on the domain, so no safe-Padé form equals this rational")
    sign = 1 if values[0] > 0 else -1
    # A hair below the smallest value found: stationary points are known to double precision, and Q is flat there.
    scale = sign / (min(abs(v) for v in values) * (1 - Fraction(1, 2**40)))
    return SafePade(
        tuple(c * scale for c in fractions(p)),
        tuple(c * scale - (i == 0) for i, c in enumerate(fractions(q))),
    )
