"""What the GPU runs, in Triton: the formula's functions for one tile of entries, or for many tiles in turn.

Every tensor of entries is read by two strides, which are 0 where it broadcasts: a threshold of [batch, 1] is never
written out as [batch, d]. A program of a forward pass takes one tile. One of a backward pass walks over tiles a fixed
distance apart and adds the weights of each coefficient up lane by lane, in registers; its sums become one row of a
buffer. No atomics, so each sum has one order.

A backward pass has time for some hundred operations an entry before they, and not memory, decide its speed. So:

- the slope of a Chebyshev sum in v is such a sum too, ``d_k = 2 sum m c_m`` over ``m = k+1, k+3, ...`` (halved for
  k = 0): new coefficients, once a program, and no new functions;
- ``sum_i c_ij T_i(v)``, for every j, serves both the sum and its slope in w;
- with the weight ``over = f / Q`` of P, the weights of B and C are ``under B`` and ``under (1 - v^2) C``, where
  ``under = -2 over rho``; and ``f rho' = over P' + under H`` with ``H = Q' / 2``, which is ``B B' + C ((1 - v^2) C' -
  v C)`` in v and ``B B' + (1 - v^2) C C'`` in w.

Coefficients and their sums are tuples of rows: row j holds those of ``T_0(v) T_j(w), T_1(v) T_j(w), ...``. With one
input there is one row, and w is the tuple of T_0 alone.
"""

# A Triton function is Python in form only: without types, and without the star in a tuple.
# mypy: disable-error-code="no-untyped-def, assignment"
# ruff: noqa: RUF005

import triton
import triton.language as tl

__all__ = ["curve", "curve_gradients", "dense", "dense_gradients"]


@triton.jit
def _read(pointer, DEGREE: tl.constexpr, BOTH: tl.constexpr):
    """Coefficients, or as many zeros, in rows; in memory they go by total degree, and then by j."""
    found = ()
    for j in tl.static_range(DEGREE + 1 if BOTH else 1):
        row = ()
        for i in tl.static_range(DEGREE + 1 - j):
            row = row + (tl.load(pointer + ((i + j) * (i + j + 1) // 2 + j if BOTH else i)),)
        found = found + (row,)
    return found


@triton.jit
def _nothing(c, like):
    """A sum of zero for every coefficient, in every lane."""
    found = ()
    for j in tl.static_range(len(c)):
        row = ()
        for _ in tl.static_range(len(c[j])):
            row = row + (like,)
        found = found + (row,)
    return found


@triton.jit
def _derived(c):
    """Coefficients of the derivative in v."""
    found = ()
    for j in tl.static_range(len(c)):
        row = ()
        for k in tl.static_range(len(c[j]) - 1):
            total = (k + 1) * c[j][k + 1]
            for m in tl.static_range(k + 3, len(c[j]), 2):
                total += m * c[j][m]
            row = row + (total if k == 0 else 2 * total,)
        found = found + (row,)
    return found


@triton.jit
def _chebyshev(v, DEGREE: tl.constexpr):
    t = (tl.full(v.shape, 1.0, tl.float32), v)
    for _ in tl.static_range(DEGREE - 1):
        t = t + (2 * v * t[-1] - t[-2],)
    return t


@triton.jit
def _slopes(v, t):
    found = (tl.zeros(v.shape, tl.float32), t[0])
    for i in tl.static_range(1, len(t) - 1):
        found = found + (2 * t[i] + 2 * v * found[-1] - found[-2],)
    return found


@triton.jit
def _rows(c, t):
    """``sum_i c_ij t_i`` for every j."""
    found = ()
    for j in tl.static_range(len(c)):
        total = tl.zeros(t[0].shape, tl.float32)
        for i in tl.static_range(len(c[j])):
            total += c[j][i] * t[i]
        found = found + (total,)
    return found


@triton.jit
def _dot(rows, w):
    total = tl.zeros(w[0].shape, tl.float32)
    for j in tl.static_range(len(rows)):
        total += rows[j] * w[j]
    return total


@triton.jit
def _added(sums, weight, t, w):
    """The sums, and in every lane ``weight t_i w_j`` more."""
    found = ()
    for j in tl.static_range(len(sums)):
        row = ()
        heavy = weight * w[j]
        for i in tl.static_range(len(sums[j])):
            row = row + (sums[j][i] + heavy * t[i],)
        found = found + (row,)
    return found


@triton.jit
def _write(pointer, sums, BOTH: tl.constexpr):
    """Each sum over lanes, in the order `_read` knows; where the next ones go."""
    count = 0
    for j in tl.static_range(len(sums)):
        count += len(sums[j])
        for i in tl.static_range(len(sums[j])):
            tl.store(pointer + ((i + j) * (i + j + 1) // 2 + j if BOTH else i), tl.sum(sums[j][i]))
    return pointer + count


@triton.jit
def _places(tile, rows, columns, HEIGHT: tl.constexpr, WIDTH: tl.constexpr):
    """Rows [HEIGHT, 1] and columns [1, WIDTH] of a tile, and which of its entries there are."""
    across = tl.cdiv(columns, WIDTH)
    row = (tile // across).to(tl.int64) * HEIGHT + tl.arange(0, HEIGHT)[:, None]
    column = (tile % across).to(tl.int64) * WIDTH + tl.arange(0, WIDTH)[None, :]
    return row, column, (row < rows) & (column < columns)


@triton.jit
def _load(x, row, column, there):
    return tl.load(x[0] + row * x[1] + column * x[2], mask=there, other=0.0)


@triton.jit
def _store(x, row, column, there, value):
    tl.store(x[0] + row * x[1] + column * x[2], value, mask=there)


@triton.jit
def _ratio(h, tau):
    """Whether h is positive, ``tau / h`` there, and that clamped to [0, 1]; NaN stays NaN."""
    positive = h > 0
    raw = tl.where(positive, tau / tl.where(positive, h, 1.0), 0.0)
    return positive, raw, tl.clamp(raw, 0.0, 1.0, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def curve(
    h_at, tau_at, share_at, value_at, p_at, b_at, c_at, rows, columns,
    DEGREE: tl.constexpr, P: tl.constexpr, B: tl.constexpr, C: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    BOTH: tl.constexpr = share_at is not None
    p, b, c = _read(p_at, P, BOTH), _read(b_at, B, BOTH), _read(c_at, C, BOTH)
    row, column, there = _places(tl.program_id(0), rows, columns, HEIGHT, WIDTH)
    h = _load(h_at, row, column, there)
    positive, _, u = _ratio(h, _load(tau_at, row, column, there))
    v = 2 * u - 1
    t = _chebyshev(v, DEGREE)
    w = _chebyshev(2 * _load(share_at, row, column, there) - 1, DEGREE) if BOTH else (t[0],)
    square, arch = _dot(_rows(b, t), w), _dot(_rows(c, t), w)
    rho = _dot(_rows(p, t), w) / (1 + square * square + (1 - v * v) * arch * arch)
    _store(value_at, row, column, there, tl.where(positive, h * tl.where(rho < 0, 0.0, rho), 0.0))


@triton.jit
def curve_gradients(
    grad_at, h_at, tau_at, share_at, of_h_at, of_tau_at, of_share_at, p_at, b_at, c_at, sums_at, sums,
    rows, columns, tiles,
    DEGREE: tl.constexpr, P: tl.constexpr, B: tl.constexpr, C: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    BOTH: tl.constexpr = share_at is not None
    p, b, c = _read(p_at, P, BOTH), _read(b_at, B, BOTH), _read(c_at, C, BOTH)
    steep_p, steep_b, steep_c = _derived(p), _derived(b), _derived(c)
    zero = tl.zeros((HEIGHT, WIDTH), tl.float32)
    of_p, of_b, of_c = _nothing(p, zero), _nothing(b, zero), _nothing(c, zero)
    for tile in tl.range(tl.program_id(0), tiles, tl.num_programs(0), num_stages=2):
        row, column, there = _places(tile, rows, columns, HEIGHT, WIDTH)
        h = _load(h_at, row, column, there)
        grad = _load(grad_at, row, column, there)
        positive, raw, u = _ratio(h, _load(tau_at, row, column, there))
        v = 2 * u - 1
        t = _chebyshev(v, DEGREE)
        y = 2 * _load(share_at, row, column, there) - 1 if BOTH else v
        w = _chebyshev(y, DEGREE) if BOTH else (t[0],)
        top, square_rows, arch_rows = _rows(p, t), _rows(b, t), _rows(c, t)
        square, arch, bend = _dot(square_rows, w), _dot(arch_rows, w), 1 - v * v
        inverse = 1 / (1 + square * square + bend * arch * arch)
        rho = _dot(top, w) * inverse
        live = tl.where(positive & (rho > 0), grad, 0.0)
        half = square * _dot(_rows(steep_b, t), w) + arch * (bend * _dot(_rows(steep_c, t), w) - v * arch)
        slope = 2 * inverse * (_dot(_rows(steep_p, t), w) - 2 * rho * half)
        slope = tl.where((raw > 0) & (raw < 1), slope, 0.0)
        _store(of_h_at, row, column, there, live * (rho - u * slope))
        _store(of_tau_at, row, column, there, live * slope)
        over = live * h * inverse
        if BOTH:
            slopes = _slopes(y, w)
            half = square * _dot(square_rows, slopes) + bend * arch * _dot(arch_rows, slopes)
            _store(of_share_at, row, column, there, 2 * over * (_dot(top, slopes) - 2 * rho * half))
        under = -2 * over * rho
        of_p, of_b = _added(of_p, over, t, w), _added(of_b, under * square, t, w)
        of_c = _added(of_c, under * bend * arch, t, w)
    next_at = _write(sums_at + tl.program_id(0) * sums, of_p, BOTH)
    next_at = _write(next_at, of_b, BOTH)
    _write(next_at, of_c, BOTH)


@triton.jit
def dense(
    h_at, value_at, scale_in_at, scale_out_at, p_at, b_at, c_at, rows, columns,
    DEGREE: tl.constexpr, P: tl.constexpr, B: tl.constexpr, C: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    p, b, c = _read(p_at, P, False), _read(b_at, B, False), _read(c_at, C, False)
    inward, scale_out = 1 / tl.load(scale_in_at), tl.load(scale_out_at)
    row, column, there = _places(tl.program_id(0), rows, columns, HEIGHT, WIDTH)
    raw = _load(h_at, row, column, there) * inward
    v = tl.clamp(raw, -1.0, 1.0, propagate_nan=tl.PropagateNan.ALL)
    t = _chebyshev(v, DEGREE)
    square, arch = _rows(b, t)[0], _rows(c, t)[0]
    bottom = 1 + square * square + (1 - v * v) * arch * arch
    _store(value_at, row, column, there, scale_out * _rows(p, t)[0] / bottom)


@triton.jit
def dense_gradients(
    grad_at, h_at, of_h_at, scale_in_at, scale_out_at, p_at, b_at, c_at, sums_at, sums, rows, columns, tiles,
    DEGREE: tl.constexpr, P: tl.constexpr, B: tl.constexpr, C: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    p, b, c = _read(p_at, P, False), _read(b_at, B, False), _read(c_at, C, False)
    steep_p, steep_b, steep_c = _derived(p), _derived(b), _derived(c)
    scale_in, scale_out = tl.load(scale_in_at), tl.load(scale_out_at)
    inward = 1 / scale_in
    zero = tl.zeros((HEIGHT, WIDTH), tl.float32)
    of_scales = ((zero, zero),)
    of_p, of_b, of_c = _nothing(p, zero), _nothing(b, zero), _nothing(c, zero)
    for tile in tl.range(tl.program_id(0), tiles, tl.num_programs(0), num_stages=2):
        row, column, there = _places(tile, rows, columns, HEIGHT, WIDTH)
        h = _load(h_at, row, column, there)
        grad = _load(grad_at, row, column, there)
        raw = h * inward
        v = tl.clamp(raw, -1.0, 1.0, propagate_nan=tl.PropagateNan.ALL)
        t = _chebyshev(v, DEGREE)
        square, arch, bend = _rows(b, t)[0], _rows(c, t)[0], 1 - v * v
        inverse = 1 / (1 + square * square + bend * arch * arch)
        rho = _rows(p, t)[0] * inverse
        over = grad * scale_out * inverse
        under = -2 * over * rho
        half = square * _rows(steep_b, t)[0] + arch * (bend * _rows(steep_c, t)[0] - v * arch)
        of_h = (over * _rows(steep_p, t)[0] + under * half) * inward
        of_h = tl.where(tl.abs(h) <= tl.abs(scale_in), of_h, 0.0)  # just beyond the scale raw may round to 1
        _store(of_h_at, row, column, there, of_h)
        of_scales = ((of_scales[0][0] - of_h * raw, of_scales[0][1] + grad * rho),)
        of_p, of_b = _added(of_p, over, t, (t[0],)), _added(of_b, under * square, t, (t[0],))
        of_c = _added(of_c, under * bend * arch, t, (t[0],))
    next_at = _write(sums_at + tl.program_id(0) * sums, of_scales, False)
    next_at = _write(next_at, of_p, False)
    next_at = _write(next_at, of_b, False)
    _write(next_at, of_c, False)
