"""A rational by its values at points, in floats: two sums over support points, without coefficients."""

from dataclasses import dataclass

import numpy as np

from rational_approx.exchange.levelled import log_products, node_signs

__all__ = ["Barycentric", "cauchy_matrix", "interpolating"]


@dataclass(frozen=True)
class Barycentric:
    """``P/Q`` by values of its two sums, and a reference of alternating peaks where there is one."""

    support: np.ndarray
    alpha: np.ndarray
    beta: np.ndarray
    reference: np.ndarray | None
    largest: float

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """``P(t) / Q(t)``."""
        cauchy = cauchy_matrix(t, self.support)
        with np.errstate(all="ignore"):
            return (cauchy @ self.alpha) / (cauchy @ self.beta)

    def denominator(self, t: np.ndarray) -> np.ndarray:
        """``Q``, up to a factor that makes its largest value 1 in size."""
        difference = t[:, None] - self.support
        sums = cauchy_matrix(t, self.support) @ self.beta
        with np.errstate(divide="ignore"):
            size = np.log(np.abs(sums)) + np.log(np.abs(np.where(difference == 0, 1.0, difference))).sum(axis=1)
        sign = np.sign(sums) * np.prod(np.where(difference < 0, -1.0, 1.0), axis=1)
        return sign * np.exp(size - size.max())


def interpolating(
    t: np.ndarray, p: np.ndarray, q: np.ndarray, reference: np.ndarray | None, largest: float
) -> Barycentric:
    """P/Q of degrees below the number of points, from the values of P and Q there."""
    log_slopes = log_products(t, t)  # of the node polynomial, whose derivative the values are divided by
    slopes = node_signs(t) * np.exp(log_slopes.min() - log_slopes)
    return Barycentric(t, p * slopes, q * slopes, reference, largest)


def cauchy_matrix(t: np.ndarray, support: np.ndarray) -> np.ndarray:
    """``1 / (t_i - t_k)``; at a support point its row is a unit vector, which makes the sums its values."""
    difference = t[:, None] - support
    hit = difference == 0
    c = 1.0 / np.where(hit, 1.0, difference)
    at = hit.any(axis=1)
    c[at] = hit[at]
    return c
