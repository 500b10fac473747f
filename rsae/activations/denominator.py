"""Denominators that cannot vanish: every polynomial positive on [-1, 1] is ``1 + B(v)^2 + (1 - v^2) C(v)^2``, scaled.

This is Lukács's theorem. It gives a trainable form whose parameters are free: whatever B and C become, the denominator
stays at least 1 on the interval, and it is a polynomial again, so the activation stays an exact rational. The published
safe-Padé form ``1 + abs(S)`` is a rational only while S keeps its sign.
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.polynomial import chebyshev

__all__ = ["expand", "positive_form"]


def positive_form(denominator: Sequence[float]) -> tuple[float, np.ndarray, np.ndarray]:
    """``scale, B, C`` (Chebyshev coefficients) with ``scale * Q = 1 + B^2 + (1 - v^2) C^2`` on [-1, 1].

    Raises
    ------
    ValueError
        if the denominator is not of one sign on [-1, 1].

    >>> scale, b, c = positive_form([1.045, 0.0, 0.045])
    >>> round(scale, 12), [round(abs(float(x)), 12) for x in b], c.tolist()
    (1.0, [0.0, 0.3], [0.0])
    """
    q = np.asarray(denominator, dtype=np.float64)
    # A leading coefficient below rounding would only throw the root finders off.
    q = np.trim_zeros(np.where(np.abs(q) > 1e-15 * np.abs(q).max(), q, 0.0), "b")
    if not len(q):
        raise ValueError("the denominator of a rational activation is zero")
    low, high = _range(q)
    if low <= 0 <= high:
        raise ValueError("the denominator of a rational activation must not vanish on its domain")
    q = q * np.sign(low)
    smallest = min(abs(low), abs(high))
    half = max(1, len(q) // 2)
    if len(q) <= 3:
        q = q / smallest
        # Degree 2 in closed form: B(1)^2 and B(-1)^2 are the values at the ends, and the sign between them that makes
        # C real for every non-negative parabola is the opposite one.
        right, left = (max(float(chebyshev.chebval(end, q)) - 1.0, 0.0) ** 0.5 for end in (1.0, -1.0))
        constant, slope = (right - left) / 2, (right + left) / 2
        square = chebyshev.chebval(0.0, q) - 1.0 - constant**2
        # Below rounding it is 0: the parabola is a square by itself.
        arch = square**0.5 if square > 1e-12 else 0.0
        return float(np.sign(low)) / smallest, np.array([constant, slope]), np.array([arch])
    # Twice the smallest scale: then Q - 1 >= 1, and the factorisation below meets no double root on the circle.
    q = 2 * q / smallest
    padded = np.zeros(2 * half + 1)
    padded[: len(q)] = q
    padded[0] -= 1.0
    b, c = _squares(padded)
    return 2 * float(np.sign(low)) / smallest, b, c


def expand(b: Sequence[Fraction], c: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Chebyshev coefficients of ``1 + B^2 + (1 - v^2) C^2``, exactly.

    >>> [float(x) for x in expand([Fraction(0), Fraction(1)], [Fraction(1)])]
    [2.0, 0.0, 0.0]
    """
    edge = [Fraction(1, 2), Fraction(0), Fraction(-1, 2)]  # 1 - v^2 = (T_0 - T_2) / 2
    square, arch = (chebyshev.chebmul(part, part) if part else [Fraction(0)] for part in (b, c))
    total = chebyshev.chebadd(chebyshev.chebadd([Fraction(1)], square), chebyshev.chebmul(edge, arch))
    # NumPy drops zeros at the end; as many coefficients as the type has say which type it is.
    length = max(2 * len(b) - 1, 2 * len(c) + 1 if c else 0)
    return tuple(total) + (Fraction(0),) * (length - len(total))


def _range(q: np.ndarray) -> tuple[float, float]:
    """Smallest and largest value on [-1, 1]: at an end or at a real zero of the derivative."""
    points = [-1.0, 1.0]
    slope = np.trim_zeros(chebyshev.chebder(q), "b")
    if len(slope) > 1:
        roots = chebyshev.chebroots(slope)
        points += [float(r.real) for r in roots if abs(r.imag) < 1e-9 and -1 < r.real < 1]
    values = chebyshev.chebval(np.array(points), q)
    return float(values.min()), float(values.max())


def _squares(f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """B and C of ``f = B^2 + (1 - v^2) C^2`` for f > 0 of even degree 2m.

    Fejér and Riesz: with v = cos(t), f = |p(e^{it})|^2 for a real polynomial p of degree 2m with its zeros inside the
    circle; then ``e^{-imt} p(e^{it}) = B(cos t) + i sin(t) C(cos t)``.
    """
    degree = len(f) - 1
    half = degree // 2
    laurent = np.concatenate([f[:0:-1] / 2, [f[0]], f[1:] / 2])
    scale = np.abs(laurent).max()
    nonzero = np.flatnonzero(np.abs(laurent) > 1e-15 * scale)
    laurent = laurent[nonzero[0] : nonzero[-1] + 1]
    roots = np.roots(laurent[::-1])
    inside = roots[np.abs(roots) < 1]
    p = np.real(np.poly(inside))[::-1] if len(inside) else np.ones(1)
    p = np.concatenate([p, np.zeros(degree + 1 - len(p))])
    # p is monic up to a factor: fix it from the constant term, the mean of |p|^2 over the circle.
    p *= np.sqrt(f[0] / np.sum(p**2))
    shifted = {power - half: value for power, value in enumerate(p)}
    b, c = np.zeros(half + 1), np.zeros(half)
    for power, value in shifted.items():
        b[abs(power)] += value  # cos(power t) = T_|power|(v)
        if power:  # sin(power t) = sign sin(t) U_{|power|-1}(v), and U_n = sum of T of the same parity, T_0 halved
            for order in range(abs(power) - 1, -1, -2):
                c[order] += np.sign(power) * value * (1.0 if order == 0 else 2.0)
    return _polished(b, c, f)


def _polished(b: np.ndarray, c: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Newton on ``B^2 + (1 - v^2) C^2 = f``: a zero near the circle costs the root finder half of its digits.

    The derivative in the direction (dB, dC) is ``2 B dB + 2 (1 - v^2) C dC``, invertible because p has no zero on the
    circle. A step that does not lower the residual is rounding, and ends it.
    """
    arch = np.array([0.5, 0.0, -0.5])  # 1 - v^2
    weighted = chebyshev.chebmul(arch, c)
    residual = _padded(chebyshev.chebadd(chebyshev.chebmul(b, b), chebyshev.chebmul(weighted, c)), len(f)) - f
    for _ in range(4):
        columns = [_padded(2 * chebyshev.chebmul(b, unit), len(f)) for unit in np.eye(len(b))]
        columns += [_padded(2 * chebyshev.chebmul(weighted, unit), len(f)) for unit in np.eye(len(c))]
        step = np.linalg.lstsq(np.stack(columns, axis=1), residual)[0]
        next_b, next_c = b - step[: len(b)], c - step[len(b) :]
        next_weighted = chebyshev.chebmul(arch, next_c)
        total = chebyshev.chebadd(chebyshev.chebmul(next_b, next_b), chebyshev.chebmul(next_weighted, next_c))
        if np.abs(_padded(total, len(f)) - f).max() >= np.abs(residual).max():
            break
        b, c, weighted, residual = next_b, next_c, next_weighted, _padded(total, len(f)) - f
    return b, c


def _padded(coefficients: np.ndarray, length: int) -> np.ndarray:
    return np.concatenate([coefficients[:length], np.zeros(max(0, length - len(coefficients)))])
