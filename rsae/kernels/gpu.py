"""The formula's four functions as Triton kernels: one pass over memory for each direction, float32, no atomics.

A launch sees [rows, columns] entries, cut into tiles. Every tensor of entries is read by its two strides, which are 0
where it broadcasts: a threshold of [batch, 1] is never written out as [batch, d]. A program of a forward pass takes one
tile; one of a backward pass walks over tiles a fixed distance apart and adds the weights of each coefficient up, lane
by lane, in registers. Its sums become one row of a [programs, coefficients] buffer, whose rows torch adds up: every
sum has an order that only shape and device decide, so the same call gives the same bits.

Two savings of arithmetic, since a backward pass has time for some hundred operations an entry before they, and not
memory, decide its speed. The slope of a Chebyshev sum is itself one, ``d_k = 2 sum m c_m`` over ``m = k+1, k+3, ...``
(halved for k = 0), so it needs new coefficients, once a program, and no new functions. And ``sum_i c_ij T_i(v)``, for
every j, serves both the sum and its slope in w.

This module needs Triton; `rsae.kernels` imports it on first use, on a CUDA device or in Triton's interpreter.
"""

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from rsae.kernels.formula import exponents

__all__ = ["curve", "curve_gradients", "dense", "dense_gradients", "takes"]

FORWARD, BACKWARD = 1024, 256  # entries of a tile; four warps, so eight and two a lane
PROGRAMS = 8  # of a backward pass, on each multiprocessor
COEFFICIENTS = 128  # of one function; more do not fit in registers beside their sums


# Coefficients and their sums are tuples of rows: row j holds those of T_0(v) T_j(w), T_1(v) T_j(w), ... With one input
# there is one row, and w is the tuple of T_0 alone.


@triton.jit
def _read(pointer, DEGREE: tl.constexpr, BOTH: tl.constexpr):  # type: ignore[no-untyped-def]
    """Coefficients, or as many zeros, in rows; in memory they go by total degree, and then by j."""
    found = ()
    for j in tl.static_range(DEGREE + 1 if BOTH else 1):
        row = ()
        for i in tl.static_range(DEGREE + 1 - j):
            row = row + (tl.load(pointer + ((i + j) * (i + j + 1) // 2 + j if BOTH else i)),)
        found = found + (row,)
    return found


@triton.jit
def _nothing(c, like):  # type: ignore[no-untyped-def]
    """A sum of zero for every coefficient, in every lane."""
    found = ()
    for j in tl.static_range(len(c)):
        row = ()
        for _ in tl.static_range(len(c[j])):
            row = row + (like,)
        found = found + (row,)
    return found


@triton.jit
def _derived(c):  # type: ignore[no-untyped-def]
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
def _chebyshev(v, DEGREE: tl.constexpr):  # type: ignore[no-untyped-def]
    t = (tl.full(v.shape, 1.0, tl.float32), v)
    for _ in tl.static_range(DEGREE - 1):
        t = t + (2 * v * t[-1] - t[-2],)
    return t


@triton.jit
def _slopes(v, t):  # type: ignore[no-untyped-def]
    found = (tl.zeros(v.shape, tl.float32), t[0])
    for i in tl.static_range(1, len(t) - 1):
        found = found + (2 * t[i] + 2 * v * found[-1] - found[-2],)
    return found


@triton.jit
def _rows(c, t):  # type: ignore[no-untyped-def]
    """``sum_i c_ij t_i`` for every j."""
    found = ()
    for j in tl.static_range(len(c)):
        total = tl.zeros(t[0].shape, tl.float32)
        for i in tl.static_range(len(c[j])):
            total += c[j][i] * t[i]
        found = found + (total,)
    return found


@triton.jit
def _dot(rows, w, like):  # type: ignore[no-untyped-def]
    total = tl.zeros(like.shape, tl.float32)
    for j in tl.static_range(len(rows)):
        total += rows[j] * w[j]
    return total


@triton.jit
def _added(sums, weight, t, w):  # type: ignore[no-untyped-def]
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
def _write(pointer, sums, BOTH: tl.constexpr):  # type: ignore[no-untyped-def]
    """Each sum over lanes, in the order `_read` knows; where the next ones go."""
    count = 0
    for j in tl.static_range(len(sums)):
        count += len(sums[j])
        for i in tl.static_range(len(sums[j])):
            tl.store(pointer + ((i + j) * (i + j + 1) // 2 + j if BOTH else i), tl.sum(sums[j][i]))
    return pointer + count


@triton.jit
def _places(tile, rows, columns, HEIGHT: tl.constexpr, WIDTH: tl.constexpr):  # type: ignore[no-untyped-def]
    """Rows [HEIGHT, 1] and columns [1, WIDTH] of a tile, and which of its entries there are."""
    across = tl.cdiv(columns, WIDTH)
    row = (tile // across).to(tl.int64) * HEIGHT + tl.arange(0, HEIGHT)[:, None]
    column = (tile % across).to(tl.int64) * WIDTH + tl.arange(0, WIDTH)[None, :]
    return row, column, (row < rows) & (column < columns)


@triton.jit
def _load(x, row, column, there):  # type: ignore[no-untyped-def]
    return tl.load(x[0] + row * x[1] + column * x[2], mask=there, other=0.0)


@triton.jit
def _store(x, row, column, there, value):  # type: ignore[no-untyped-def]
    tl.store(x[0] + row * x[1] + column * x[2], value, mask=there)


@triton.jit
def _ratio(h, tau):  # type: ignore[no-untyped-def]
    """Whether h is positive, ``tau / h`` there, and that clamped to [0, 1]; NaN stays NaN."""
    positive = h > 0
    raw = tl.where(positive, tau / tl.where(positive, h, 1.0), 0.0)
    return positive, raw, tl.where(raw < 0, 0.0, tl.where(raw > 1, 1.0, raw))


@triton.jit
def _curve(  # type: ignore[no-untyped-def]
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
    square, arch = _dot(_rows(b, t), w, v), _dot(_rows(c, t), w, v)
    rho = _dot(_rows(p, t), w, v) / (1 + square * square + (1 - v * v) * arch * arch)
    _store(value_at, row, column, there, tl.where(positive, h * tl.where(rho < 0, 0.0, rho), 0.0))


@triton.jit
def _curve_gradients(  # type: ignore[no-untyped-def]
    grad_at, h_at, tau_at, share_at, of_h_at, of_tau_at, of_share_at, p_at, b_at, c_at, sums_at, sums, rows, columns,
    tiles,
    DEGREE: tl.constexpr, P: tl.constexpr, B: tl.constexpr, C: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """The comments of `formula.curve_gradients` hold here, step by step."""
    BOTH: tl.constexpr = share_at is not None
    p, b, c = _read(p_at, P, BOTH), _read(b_at, B, BOTH), _read(c_at, C, BOTH)
    steep_p, steep_b, steep_c = _derived(p), _derived(b), _derived(c)
    zero = tl.zeros((HEIGHT, WIDTH), tl.float32)
    of_p, of_b, of_c = _nothing(p, zero), _nothing(b, zero), _nothing(c, zero)
    for tile in tl.range(tl.program_id(0), tiles, tl.num_programs(0)):
        row, column, there = _places(tile, rows, columns, HEIGHT, WIDTH)
        h = _load(h_at, row, column, there)
        grad = _load(grad_at, row, column, there)
        positive, raw, u = _ratio(h, _load(tau_at, row, column, there))
        v = 2 * u - 1
        t = _chebyshev(v, DEGREE)
        y = 2 * _load(share_at, row, column, there) - 1 if BOTH else v
        w = _chebyshev(y, DEGREE) if BOTH else (t[0],)
        top, square_rows, arch_rows = _rows(p, t), _rows(b, t), _rows(c, t)
        square, arch, bend = _dot(square_rows, w, v), _dot(arch_rows, w, v), 1 - v * v
        inverse = 1 / (1 + square * square + bend * arch * arch)
        rho = _dot(top, w, v) * inverse
        live = tl.where(positive & (rho > 0), grad, 0.0)
        over = live * h * inverse
        steep = 2 * square * _dot(_rows(steep_b, t), w, v) - 2 * v * arch * arch
        steep += 2 * bend * arch * _dot(_rows(steep_c, t), w, v)
        slope = 2 * (_dot(_rows(steep_p, t), w, v) - rho * steep) * inverse
        slope = tl.where((raw > 0) & (raw < 1), slope, 0.0)
        _store(of_h_at, row, column, there, live * (rho - u * slope))
        _store(of_tau_at, row, column, there, live * slope)
        if BOTH:
            slopes = _slopes(y, w)
            steep = 2 * square * _dot(square_rows, slopes, v) + 2 * bend * arch * _dot(arch_rows, slopes, v)
            _store(of_share_at, row, column, there, 2 * over * (_dot(top, slopes, v) - rho * steep))
        under = -2 * over * rho
        of_p, of_b = _added(of_p, over, t, w), _added(of_b, under * square, t, w)
        of_c = _added(of_c, under * bend * arch, t, w)
    next_at = _write(sums_at + tl.program_id(0) * sums, of_p, BOTH)
    next_at = _write(next_at, of_b, BOTH)
    _write(next_at, of_c, BOTH)


@triton.jit
def _dense(  # type: ignore[no-untyped-def]
    h_at, value_at, scale_in_at, scale_out_at, p_at, b_at, c_at, rows, columns,
    DEGREE: tl.constexpr, P: tl.constexpr, B: tl.constexpr, C: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    p, b, c = _read(p_at, P, False), _read(b_at, B, False), _read(c_at, C, False)
    inward, scale_out = 1 / tl.load(scale_in_at), tl.load(scale_out_at)
    row, column, there = _places(tl.program_id(0), rows, columns, HEIGHT, WIDTH)
    raw = _load(h_at, row, column, there) * inward
    v = tl.where(raw < -1, -1.0, tl.where(raw > 1, 1.0, raw))
    t = _chebyshev(v, DEGREE)
    square, arch = _rows(b, t)[0], _rows(c, t)[0]
    bottom = 1 + square * square + (1 - v * v) * arch * arch
    _store(value_at, row, column, there, scale_out * _rows(p, t)[0] / bottom)


@triton.jit
def _dense_gradients(  # type: ignore[no-untyped-def]
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
    for tile in tl.range(tl.program_id(0), tiles, tl.num_programs(0)):
        row, column, there = _places(tile, rows, columns, HEIGHT, WIDTH)
        h = _load(h_at, row, column, there)
        grad = _load(grad_at, row, column, there)
        raw = h * inward
        v = tl.where(raw < -1, -1.0, tl.where(raw > 1, 1.0, raw))
        t = _chebyshev(v, DEGREE)
        square, arch, bend = _rows(b, t)[0], _rows(c, t)[0], 1 - v * v
        inverse = 1 / (1 + square * square + bend * arch * arch)
        rho = _rows(p, t)[0] * inverse
        over = grad * scale_out * inverse
        steep = 2 * square * _rows(steep_b, t)[0] - 2 * v * arch * arch + 2 * bend * arch * _rows(steep_c, t)[0]
        of_h = over * (_rows(steep_p, t)[0] - rho * steep) * inward
        of_h = tl.where(tl.abs(h) <= tl.abs(scale_in), of_h, 0.0)  # h * inward may round past 1 where h is the scale
        _store(of_h_at, row, column, there, of_h)
        of_scales = ((of_scales[0][0] - of_h * raw, of_scales[0][1] + grad * rho),)
        under, w = -2 * over * rho, (t[0],)
        of_p, of_b = _added(of_p, over, t, w), _added(of_b, under * square, t, w)
        of_c = _added(of_c, under * bend * arch, t, w)
    next_at = _write(sums_at + tl.program_id(0) * sums, of_scales, False)
    next_at = _write(next_at, of_p, False)
    next_at = _write(next_at, of_b, False)
    _write(next_at, of_c, False)


def takes(entries: Sequence[Tensor | None], others: Sequence[Tensor]) -> bool:
    """Whether these kernels compute it: float32, on one device, not empty, of shapes that are rows and columns.

    ``entries`` broadcast against the first of them, which holds one value an entry; ``others`` are shared by all.
    """
    given = [x for x in entries if x is not None]
    first = given[0]
    return (
        all(x.dtype == torch.float32 and x.device == first.device for x in (*given, *others))
        and first.numel() > 0
        and all(torch.broadcast_shapes(x.shape, first.shape) == first.shape for x in given)
        and sum(x.numel() for x in others) <= COEFFICIENTS
        and len(_merged([*given, torch.empty(first.shape, device="meta")])) <= 2
    )


def _merged(entries: Sequence[Tensor]) -> list[tuple[int, list[int]]]:
    """As few dimensions as describe all the tensors: their sizes, and the stride of each tensor there."""
    shape = entries[0].shape
    strides = [x.expand(shape).stride() for x in entries]
    found: list[tuple[int, list[int]]] = []
    for n, size in enumerate(shape):
        steps = [stride[n] for stride in strides]
        if size > 1 and found and found[-1][1] == [size * step for step in steps]:
            found[-1] = (size * found[-1][0], steps)
        elif size > 1:
            found.append((size, steps))
    return found


class _Cut:
    """How a call's entries are read and cut into tiles."""

    def __init__(self, block: int, entries: Sequence[Tensor | None], coefficients: Sequence[Tensor], both: bool) -> None:
        given = [x for x in entries if x is not None]
        one = (1, [0] * len(given))
        (self.rows, down), (self.columns, across) = [one, one, *_merged(given)][-2:]
        steps = iter(zip(given, down, across, strict=True))
        self.entries = [None if x is None else next(steps) for x in entries]
        self.coefficients = [x.contiguous() for x in coefficients]
        width = block if self.rows == 1 else min(block, triton.next_power_of_2(self.columns))
        self.tiles = triton.cdiv(self.rows, block // width) * triton.cdiv(self.columns, width)
        degrees = [sum(exponents(len(x), both)[-1]) if len(x) else -1 for x in coefficients]
        self.constants = (max(degrees), *degrees, block // width, width)
        self.on = given[0].device

    def forward(self, kernel: Any, *scales: Tensor) -> None:
        """One tile a program."""
        with torch.cuda.device_of(self.entries[0][0]):
            kernel[(self.tiles,)](
                *self.entries, *scales, *self.coefficients, self.rows, self.columns, *self.constants, enable_fp_fusion=True
            )

    def backward(self, kernel: Any, *scales: Tensor) -> list[Tensor]:
        """Some programs, and the sums of each one's row of the buffer: a number for each scale, then coefficients."""
        processors = torch.cuda.get_device_properties(self.on).multi_processor_count if self.on.type == "cuda" else 1
        programs = min(self.tiles, PROGRAMS * processors)
        counts = [len(x) for x in self.coefficients]
        sums = torch.empty(programs, len(scales) + sum(counts), device=self.on)
        with torch.cuda.device_of(sums):
            kernel[(programs,)](
                *self.entries, *scales, *self.coefficients, sums, sums.shape[1], self.rows, self.columns, self.tiles,
                *self.constants, enable_fp_fusion=True,
            )  # fmt: skip
        total = sums.sum(0)
        return [*total[: len(scales)].unbind(), *total[len(scales) :].split(counts)]


def curve(h: Tensor, tau: Tensor, share: Tensor | None, p: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """`formula.curve` of arguments that `takes` takes."""
    value = torch.empty(h.shape, device=h.device)
    _Cut(FORWARD, (h, tau, share, value), (p, b, c), share is not None).forward(_curve)
    return value


def curve_gradients(
    grad: Tensor, h: Tensor, tau: Tensor, share: Tensor | None, p: Tensor, b: Tensor, c: Tensor
) -> tuple[Tensor | None, ...]:
    """`formula.curve_gradients` of arguments that `takes` takes."""
    found = [None if x is None else torch.empty(h.shape, device=h.device) for x in (h, tau, share)]
    cut = _Cut(BACKWARD, (grad, h, tau, share, *found), (p, b, c), share is not None)
    sums = cut.backward(_curve_gradients)
    return *(None if y is None else y.sum_to_size(x.shape) for x, y in zip((h, tau, share), found)), *sums


def dense(h: Tensor, scale_in: Tensor, scale_out: Tensor, p: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """`formula.dense` of arguments that `takes` takes."""
    value = torch.empty(h.shape, device=h.device)
    _Cut(FORWARD, (h, value), (p, b, c), False).forward(_dense, scale_in, scale_out)
    return value


def dense_gradients(
    grad: Tensor, h: Tensor, scale_in: Tensor, scale_out: Tensor, p: Tensor, b: Tensor, c: Tensor
) -> tuple[Tensor, ...]:
    """`formula.dense_gradients` of arguments that `takes` takes."""
    of_h = torch.empty(h.shape, device=h.device)
    return of_h, *_Cut(BACKWARD, (grad, h, of_h), (p, b, c), False).backward(_dense_gradients, scale_in, scale_out)
