"""The rational that levels the error on a reference: one symmetric eigenvalue problem.

Let ``t_0 < ... < t_{N-1}``, ``N = p + q + 2``, be the reference and ``s_l = (-1)**l``. Wanted are P, Q and h with

    W(t_l) P(t_l) = (S(t_l) - s_l h) Q(t_l),      l = 0 ... N-1.                                            (1)

Divided differences remove P: with ``d_l = 1 / abs(prod_{j != l} (t_l - t_j))`` the sum of ``s_l d_l u(t_l)`` is zero
for every polynomial u of degree at most ``N - 2 = p + q``. Multiply (1) by ``s_l d_l v(t_l) / W(t_l)`` for v of degree
at most q, and sum:

    sum_l s_l d_l S_l / W_l v_l Q_l  =  h sum_l d_l / W_l v_l Q_l      for all v.                            (2)

In a basis of polynomials that is orthonormal with the weights ``d_l / W_l`` this is ``A y = h y`` with A symmetric. At
most one eigenvector has no change of sign on the reference; it belongs to the levelled rational (Pachon & Trefethen
2009 for polynomials; Filip, Nakatsukasa, Trefethen & Beckermann 2018 for type (n, n)). Likewise at most one has any
other given signs, for two of them would not be orthogonal: it belongs to a Q that changes its sign in gaps of the
domain. The basis is built from the barycentric one with support points out of the reference: its columns are formed to
full relative accuracy however closely the reference clusters, which is why float64 suffices.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["Inadmissible", "Level", "level", "log_products", "node_signs"]

Values = tuple[np.ndarray, np.ndarray]


class Inadmissible(ArithmeticError):
    """No eigenvector has the signs: the reference levels no rational without a pole between its points."""


@dataclass(frozen=True)
class Level:
    """A levelled rational in float64: error ``h`` on ``reference``, and ``P/Q`` by the barycentric formula."""

    reference: np.ndarray
    h: float
    q_values: np.ndarray
    nodes: np.ndarray
    alpha: np.ndarray
    beta: np.ndarray
    extra_p: np.ndarray  # nodes of P that are not nodes of Q: factors of the numerator's node polynomial
    extra_q: np.ndarray
    at_nodes: np.ndarray

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """``P(t) / Q(t)``."""
        with np.errstate(divide="ignore", invalid="ignore"):
            cauchy = 1.0 / (t[:, None] - self.nodes)
            values = (cauchy @ self.alpha) / (cauchy @ self.beta)
            for node in self.extra_p:
                values = values * (t - node)
            for node in self.extra_q:
                values = values / (t - node)
        hit, node = np.nonzero(t[:, None] == self.nodes)
        values[hit] = self.at_nodes[node]
        return values

    def denominator(self, t: np.ndarray) -> np.ndarray:
        """``Q``, up to a factor that makes its largest value 1 in size."""
        used = self.beta != 0
        differences = t[:, None] - self.nodes[used]
        hit = differences == 0
        differences[hit] = 1.0
        cauchy = np.where(hit.any(axis=1)[:, None], hit, 1.0 / differences)
        q = cauchy @ self.beta[used] * np.prod(np.sign(differences), axis=1)
        with np.errstate(divide="ignore"):
            size = np.log(np.abs(q)) + np.log(np.abs(differences)).sum(axis=1)
        return np.sign(q) * np.exp(size - size.max())

    def signed(self, t: np.ndarray, sign: int) -> bool:
        """Whether ``Q`` has a sign at all points: between them and the reference it is checked afterwards."""
        return bool((self.denominator(t) * sign > 0).all())


def log_products(points: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Logarithm of the product of distances from each point to all nodes except itself."""
    gaps = np.abs(points[:, None] - nodes)
    with np.errstate(divide="ignore"):
        return np.where(gaps > 0, np.log(np.where(gaps > 0, gaps, 1.0)), 0.0).sum(axis=1)


def level(
    reference: np.ndarray, s: np.ndarray, w: np.ndarray, degree: tuple[int, int], q_signs: np.ndarray | None = None
) -> Level:
    """Solve (1) on a reference in float64; ``q_signs`` are those that Q shall have there, one sign without them.

    Raises
    ------
    Inadmissible
        where no eigenvector of (2) has these signs on the reference.
    """
    p, q = degree
    n = reference.size
    big_at = np.unique(np.round(np.linspace(1, n - 1, max(p, q) + 1)).astype(int)) if p != q else np.arange(1, n, 2)
    of_p, of_q = np.ones((2, big_at.size), dtype=bool)
    if p != q:
        shared = np.zeros(big_at.size, dtype=bool)
        shared[np.unique(np.round(np.linspace(0, big_at.size - 1, min(p, q) + 1)).astype(int))] = True
        of_p, of_q = (of_p, shared) if p > q else (shared, of_q)
    p_at, q_at = big_at[of_p], big_at[of_q]
    nodes = reference[q_at]
    log_d = -log_products(reference, reference)
    gaps = np.abs(reference[:, None] - nodes)
    log_gaps = np.log(np.where(gaps > 0, gaps, 1.0))
    # The polynomial prod_{j != k} (t - node_j) on the reference: its size is the sum of the logarithms, and it
    # vanishes at every other node.
    log_size = log_gaps.sum(axis=1)[:, None] - log_gaps
    signs = np.sign(reference[:, None] - nodes)
    signs = np.where(gaps > 0, np.prod(np.where(signs == 0, 1, signs), axis=1)[:, None] * signs, 0)
    signs[q_at, np.arange(q + 1)] = np.prod(np.where(signs_of(nodes) == 0, 1, signs_of(nodes)), axis=1)
    vanish = np.zeros_like(gaps, dtype=bool)
    vanish[q_at, :] = True
    vanish[q_at, np.arange(q + 1)] = False
    with np.errstate(divide="ignore"):
        log_size = log_size + 0.5 * (log_d - np.log(w))[:, None]
    log_size[vanish] = -np.inf
    basis = signs * np.exp(log_size - log_size.max(axis=0))
    basis /= np.linalg.norm(basis, axis=0)
    # Rows of very different size are no harm to Householder's QR when the large ones come first.
    order = np.argsort(-np.abs(basis).max(axis=1), kind="stable")
    orthonormal = np.empty_like(basis)
    orthonormal[order] = np.linalg.qr(basis[order])[0]
    alternate = 1.0 - 2.0 * (np.arange(n) % 2)
    eigenvalues, vectors = np.linalg.eigh(orthonormal.T @ ((alternate * s)[:, None] * orthonormal))
    scaled = orthonormal @ vectors  # sqrt(d / W) Q on the reference, one column an eigenvector
    sides = np.ones(n) if q_signs is None else q_signs
    turned = sides[:, None] * scaled
    fitting = np.flatnonzero((turned > 0).all(axis=0) | (turned < 0).all(axis=0))
    if fitting.size == 0:
        raise Inadmissible("no eigenvector of the level equations has the signs of the denominator on the reference")
    best = fitting[0]
    h, weighted_q = float(eigenvalues[best]), np.abs(scaled[:, best])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        r_values = (s - alternate * h) / w
        log_q = np.log(weighted_q) - 0.5 * (log_d - np.log(w))
    q_values = sides * np.exp(log_q - log_q.max())
    # Barycentric weights: value over derivative of the node polynomial, in logarithms until the last moment.
    extra_p, extra_q = reference[big_at[~of_q]], reference[big_at[~of_p]]
    alpha, beta = np.zeros(big_at.size), np.zeros(big_at.size)
    log_a = log_q[p_at] - log_products(reference[p_at], reference[p_at])
    log_b = log_q[q_at] - log_products(reference[q_at], reference[q_at])
    shift = max(log_a.max(), log_b.max())
    alpha[of_p] = r_values[p_at] * sides[p_at] * np.exp(log_a - shift) * node_signs(reference[p_at])
    beta[of_q] = sides[q_at] * np.exp(log_b - shift) * node_signs(reference[q_at])
    return Level(reference, h, q_values, reference[big_at], alpha, beta, extra_p, extra_q, r_values[big_at])


def signs_of(nodes: np.ndarray) -> np.ndarray:
    """Signs of all differences of the nodes."""
    return np.sign(nodes[:, None] - nodes)


def node_signs(nodes: np.ndarray) -> np.ndarray:
    """Sign of the derivative of the node polynomial at each of the increasing nodes."""
    return 1.0 - 2.0 * ((nodes.size - 1 - np.arange(nodes.size)) % 2)
