"""The two rational activations and their derivatives, as plain functions of tensors: the meaning of every kernel.

``rho = P / Q`` with Chebyshev sums P, B, C in v (and w), ``Q = 1 + B^2 + (1 - v^2) C^2``; without coefficients of B and
C it is 1, and nothing is divided by it. With weights f of an upstream
gradient, ``d rho / d P = 1 / Q`` and ``d rho / d Q = -rho / Q``, so every coefficient's gradient is a sum over entries
of such a weight times ``T_i(v) T_j(w)``. The sums go along the last dimension first and over the rest second: two
reductions in a fixed order, without atomics, so that they are the same bits every time.
"""

import torch
from torch import Tensor

__all__ = ["curve", "curve_gradients", "dense", "dense_gradients", "exponents"]


def exponents(count: int, both: bool) -> tuple[tuple[int, int], ...]:
    """Exponent pairs (i, j) of ``count`` coefficients: by i alone, or by total degree and then by j."""
    if count == 0 or not both:
        return tuple((i, 0) for i in range(count))
    degree = int(((8 * count + 1) ** 0.5 - 3) / 2 + 0.5)
    pairs = tuple((total - j, j) for total in range(degree + 1) for j in range(total + 1))
    if len(pairs) != count:
        raise ValueError(f"{count} coefficients do not make a polynomial of some total degree in two inputs")
    return pairs


def _chebyshev(v: Tensor, degree: int) -> list[Tensor]:
    """``T_0..T_degree`` at v."""
    twice, values = 2 * v, [torch.ones_like(v), v]
    for _ in range(degree - 1):
        values.append(twice * values[-1] - values[-2])
    return values


def _slopes(v: Tensor, values: list[Tensor]) -> list[Tensor]:
    """The derivatives of ``T_0, T_1, ...`` at v: ``T_n' = 2 T_(n-1) + 2 v T_(n-1)' - T_(n-2)'``."""
    twice, slopes = 2 * v, [torch.zeros_like(v), torch.ones_like(v)]
    for value in values[1:-1]:
        slopes.append(2 * value + twice * slopes[-1] - slopes[-2])
    return slopes


def _sum(c: Tensor, left: list[Tensor], right: list[Tensor] | None, which: int = 0) -> Tensor:
    """``sum c_ij left_i right_j``; ``which`` is 1 where right holds derivatives, of which the 0-th vanishes."""
    total = torch.zeros_like(left[0])
    for n, (i, j) in enumerate(exponents(len(c), right is not None)):
        if j < which:
            continue
        total = total + (c[n] * left[i] if right is None or (j == 0 and not which) else c[n] * left[i] * right[j])
    return total


def _gradient(weight: Tensor, c: Tensor, left: list[Tensor], right: list[Tensor] | None) -> Tensor:
    """``sum weight * T_i(v) T_j(w)`` over entries, for every coefficient."""
    terms = []
    for i, j in exponents(len(c), right is not None):
        basis = left[i] if right is None or j == 0 else left[i] * right[j]
        terms.append(_total(weight * basis if i or j else weight))
    return torch.stack(terms) if terms else torch.zeros_like(c)


def _total(x: Tensor) -> Tensor:
    return x.sum(-1).sum() if x.ndim > 1 else x.sum()


def _to(shape: torch.Size, x: Tensor) -> Tensor:
    """Summed to a shape that broadcasts against x."""
    return x if x.shape == shape else x.sum_to_size(shape)


def _ratio(h: Tensor, tau: Tensor) -> tuple[Tensor, Tensor]:
    positive = h > 0
    return positive, torch.where(positive, tau / torch.where(positive, h, 1.0), 0.0)


def _over(x: Tensor, bottom: Tensor | None) -> Tensor:
    """``x / Q``; None is a Q of 1."""
    return x if bottom is None else x / bottom


def curve(h: Tensor, tau: Tensor, share: Tensor | None, p: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """``h max(rho(clamp(tau / h, 0, 1), share), 0)``, 0 where h is not positive; shapes broadcast against h's."""
    positive, raw = _ratio(h, tau)
    v = 2 * raw.clamp(0.0, 1.0) - 1
    degree = max(len(p), len(b), len(c)) - 1
    t = _chebyshev(v, degree)
    w = None if share is None else _chebyshev((2 * share - 1).expand(v.shape), degree)
    bottom = None
    if len(b) or len(c):
        bottom = 1 + _sum(b, t, w).square() + (1 - v * v) * _sum(c, t, w).square()
    return torch.where(positive, h * _over(_sum(p, t, w), bottom).clamp_min(0.0), 0.0)


def curve_gradients(
    grad: Tensor, h: Tensor, tau: Tensor, share: Tensor | None, p: Tensor, b: Tensor, c: Tensor
) -> tuple[Tensor, Tensor, Tensor | None, Tensor, Tensor, Tensor]:
    """The gradients of `curve` for all six arguments, from that of its value."""
    positive, raw = _ratio(h, tau)
    u = raw.clamp(0.0, 1.0)
    v = 2 * u - 1
    degree = max(len(p), len(b), len(c)) - 1
    t = _chebyshev(v, degree)
    slopes = _slopes(v, t)
    w = None if share is None else _chebyshev((2 * share - 1).expand(v.shape), degree)
    slopes_w = None if share is None or w is None else _slopes((2 * share - 1).expand(v.shape), w)
    rho, rise = _sum(p, t, w), _sum(p, slopes, w)
    rise_w = None if slopes_w is None else _sum(p, t, slopes_w, 1)
    bottom = None
    if len(b) or len(c):
        square, arch, bend = _sum(b, t, w), _sum(c, t, w), 1 - v * v
        bottom = 1 + square.square() + bend * arch.square()
        rho = rho / bottom
        # d rho / d u = 2 d rho / d v, with Q' = 2 B B' - 2 v C^2 + 2 (1 - v^2) C C'.
        steep = 2 * square * _sum(b, slopes, w) - 2 * v * arch.square() + 2 * bend * arch * _sum(c, slopes, w)
        rise = rise - rho * steep
        if rise_w is not None and slopes_w is not None:
            steep = 2 * square * _sum(b, t, slopes_w, 1) + 2 * bend * arch * _sum(c, t, slopes_w, 1)
            rise_w = rise_w - rho * steep
    live = torch.where(positive & (rho > 0), grad, 0.0)
    weight = live * h  # gradient of rho
    over = _over(weight, bottom)  # gradient of P
    slope = torch.where((raw > 0) & (raw < 1), _over(2 * rise, bottom), 0.0)
    of_share = None
    if share is not None and rise_w is not None:
        of_share = _to(share.shape, _over(2 * weight * rise_w, bottom))
    of_b, of_c = torch.zeros_like(b), torch.zeros_like(c)
    if bottom is not None:
        under = -over * rho  # gradient of Q
        of_b = _gradient(2 * under * square, b, t, w)
        of_c = _gradient(2 * under * bend * arch, c, t, w)
    return live * (rho - u * slope), _to(tau.shape, live * slope), of_share, _gradient(over, p, t, w), of_b, of_c


def dense(h: Tensor, scale_in: Tensor, scale_out: Tensor, p: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """``scale_out rho(clamp(h / scale_in, -1, 1))`` for every entry of h; the scales are scalars."""
    v = (h / scale_in).clamp(-1.0, 1.0)
    t = _chebyshev(v, max(len(p), len(b), len(c)) - 1)
    bottom = 1 + _sum(b, t, None).square() + (1 - v * v) * _sum(c, t, None).square()
    return scale_out * _sum(p, t, None) / bottom


def dense_gradients(
    grad: Tensor, h: Tensor, scale_in: Tensor, scale_out: Tensor, p: Tensor, b: Tensor, c: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients of `dense` for all six arguments, from that of its value."""
    raw = h / scale_in
    v = raw.clamp(-1.0, 1.0)
    t = _chebyshev(v, max(len(p), len(b), len(c)) - 1)
    slopes = _slopes(v, t)
    square, arch, bend = _sum(b, t, None), _sum(c, t, None), 1 - v * v
    bottom = 1 + square.square() + bend * arch.square()
    rho = _sum(p, t, None) / bottom
    over = grad * scale_out / bottom
    under = -over * rho
    steep = 2 * square * _sum(b, slopes, None) - 2 * v * arch.square() + 2 * bend * arch * _sum(c, slopes, None)
    of_h = torch.where(raw.abs() <= 1, over * (_sum(p, slopes, None) - rho * steep) / scale_in, 0.0)
    return (
        of_h,
        -_total(of_h * raw),
        _total(grad * rho),
        _gradient(over, p, t, None),
        _gradient(2 * under * square, b, t, None),
        _gradient(2 * under * bend * arch, c, t, None),
    )
