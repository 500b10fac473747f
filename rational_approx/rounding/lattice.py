"""Integer combinations of vectors that come close to a given one: lattice reduction and nearest planes.

The columns of a matrix ``B`` span a lattice; wanted are integer vectors ``z`` with ``B (z - shift)`` short. Reduction
by Lenstra, Lenstra & Lovász (1982) in exact integers (FLINT), then Babai's nearest planes (1986) with random choices of
the next best plane (Klein 2000), many at a time.
"""

from dataclasses import dataclass

import flint
import numpy as np

__all__ = ["Lattice"]

_BITS = 80
"""Bits kept below the largest entry in the integers that are reduced."""


@dataclass(frozen=True)
class Lattice:
    """A reduced basis: ``moves`` are integer vectors ``[n, n]`` (rows) whose images under ``B`` are short.

    ``triangle`` ``[n, n]`` is the upper triangular factor of the images, ``project`` ``[n, n]`` maps a vector in the
    original integer coordinates to coordinates in which the images have that factor.
    """

    moves: np.ndarray
    triangle: np.ndarray
    project: np.ndarray

    @classmethod
    def reduced(cls, columns: np.ndarray) -> "Lattice":
        """Reduce the lattice that the columns ``[rows, n]`` (of full rank) span."""
        _, factor = np.linalg.qr(columns)
        exponent = _BITS - int(np.ceil(np.log2(np.abs(factor).max())))
        whole = [[int(np.ldexp(v, exponent)) if abs(v) > 0 else 0 for v in row] for row in factor.T.tolist()]
        _, transform = flint.fmpz_mat(whole).lll(transform=True)
        moves = np.array([[float(int(v)) for v in row] for row in transform.tolist()])
        with np.errstate(all="ignore"):  # long vectors of a lattice beyond double precision: nothing is near them
            rotation, triangle = np.linalg.qr(factor @ moves.T)
        return cls(moves, triangle, rotation.T @ factor)

    def near(self, shift: np.ndarray, count: int, spread: float, rng: np.random.Generator) -> np.ndarray:
        """``count`` integer vectors ``[count, n]`` with ``B (z - shift)`` short; the first is Babai's own choice."""
        n = len(shift)
        rest = np.tile(self.project @ shift, (count, 1))
        steps = np.zeros((count, n))
        scale = np.abs(np.diag(self.triangle))
        with np.errstate(all="ignore"):
            for k in range(n - 1, -1, -1):
                centre = rest[:, k] / self.triangle[k, k]
                noise = rng.normal(0, spread / max(scale[k], 1e-300), count).clip(-2, 2)
                noise[0] = 0
                steps[:, k] = np.round(centre + noise)
                rest -= steps[:, k : k + 1] * self.triangle[:, k]
            found = steps @ self.moves
        return np.where(np.isfinite(found).all(1)[:, None], found, np.round(shift))
