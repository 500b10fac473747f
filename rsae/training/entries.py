"""Sparse matrices of codes as lists of entries: three products, each the derivative of the others.

With entries e = (row r, column c) of a [batch, d_sae] matrix S of codes, dense X [batch, d] and W [d_sae, d]::

    S W      [batch, d]   decode:         sum of rows of W
    S^T X    [d_sae, d]   its gradient for W, and that of an encoder
    X_r . W_c   [n]       its gradient for the entries

None needs the [batch, d_sae] matrix, so none of their costs depends on d_sae. Sums run in one fixed order (entries are
sorted by row, and stably by column), so they are bit-reproducible, on CUDA as well: there are no atomics. Where a share
of entries is so large that a dense product is faster, that is what is computed. Under autocast dense products are in
half precision; what comes out, and every sum of entries, is in the format of what went in.
"""

from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

__all__ = ["Places", "broadcast", "decode", "dots", "encode", "pick", "spread", "sums"]

# Above these shares of entries a dense product is faster; measured on two AVX2 cores at d = 256 to 768.
_ROWS, _COLUMNS, _DOTS = 1 / 4, 1 / 6, 1 / 11


class Places:
    """Where n entries of a [size, width] matrix lie: rows [n], ascending, and columns [n]."""

    def __init__(self, rows: Tensor, columns: Tensor, size: int, width: int) -> None:
        self.rows, self.columns, self.size, self.width = rows, columns, size, width

    @cached_property
    def starts(self) -> Tensor:
        """Where the entries of each row begin [size]."""
        return torch.searchsorted(self.rows, torch.arange(self.size, device=self.rows.device))

    @cached_property
    def by_column(self) -> tuple[Tensor, Tensor, Tensor]:
        """The order by column [n], the rows in that order [n], and where each column begins [width]."""
        columns, order = self.columns.sort(stable=True)
        starts = torch.searchsorted(columns, torch.arange(self.width, device=columns.device))
        return order, self.rows[order], starts

    def dense(self, entries: Tensor) -> Tensor:
        """The matrix [size, width] itself."""
        full = entries.new_zeros(self.size, self.width)
        return full.index_put_((self.rows, self.columns), entries)

    def crowded(self, share: float) -> bool:
        """Whether entries are more than that share of the matrix."""
        return len(self.rows) > share * self.size * self.width


def _rows(entries: Tensor, places: Places, weights: Tensor) -> Tensor:
    """``S W`` [size, d]."""
    if places.crowded(_ROWS):
        return (places.dense(entries) @ weights).to(entries.dtype)
    return embedding_bag(places.columns, weights, places.starts, mode="sum", per_sample_weights=entries)


def _columns(entries: Tensor, places: Places, x: Tensor) -> Tensor:
    """``S^T X`` [width, d]."""
    if places.crowded(_COLUMNS):
        return places.dense(entries).T @ x
    order, rows, starts = places.by_column
    return embedding_bag(rows, x, starts, mode="sum", per_sample_weights=entries[order])


def _dots(places: Places, x: Tensor, weights: Tensor) -> Tensor:
    """``X_r . W_c`` [n]."""
    if x.shape[1] == 1:
        return x[places.rows, 0] * weights[places.columns, 0]
    if places.crowded(_DOTS):
        return (x @ weights.T)[places.rows, places.columns].to(x.dtype)
    # The derivative of an embedding bag for its per-sample weights: dot products without the gathered rows in memory.
    found = torch.ops.aten._embedding_bag_per_sample_weights_backward(
        x.contiguous(), weights, places.columns, places.starts, places.rows, 0
    )
    return cast(Tensor, found)


def _product(places: Places, entries: Tensor | None, x: Tensor | None, weights: Tensor | None) -> Tensor:
    if entries is None:
        return _dots(places, cast(Tensor, x), cast(Tensor, weights))
    return _rows(entries, places, weights) if weights is not None else _columns(entries, places, cast(Tensor, x))


def decode(entries: Tensor, places: Places, weights: Tensor) -> Tensor:
    """``S W`` [size, d] of entries [n] and weights [width, d]; differentiable in both."""
    return cast(Tensor, _Product.apply(places, entries, None, weights))


def dots(places: Places, x: Tensor, weights: Tensor) -> Tensor:
    """``X_r . W_c`` [n] of x [size, d] and weights [width, d]; differentiable in both."""
    return cast(Tensor, _Product.apply(places, None, x, weights))


def encode(x: Tensor, weights: Tensor, bias: Tensor, centre: Tensor | None) -> Tensor:
    """``(x - centre) W_enc + b_enc`` [batch, d_sae] of inputs [batch, d_in], which get no gradient.

    Differentiable in the three others; takes the sparse gradient that `pick` gives.
    """
    return cast(Tensor, _Encode.apply(x, weights, bias, centre))


def pick(h: Tensor, places: Places) -> Tensor:
    """The entries [n] of a dense matrix h [size, width]; the gradient for h is sparse."""
    return cast(Tensor, _Pick.apply(h, places))


def sums(entries: Tensor, places: Places) -> Tensor:
    """The sum of the entries [n] of each row [size]; differentiable."""
    return decode(entries, places, entries.new_ones(places.width, 1))[:, 0]


def broadcast(of_rows: Tensor, places: Places) -> Tensor:
    """For each entry [n] the value of its row [size]; differentiable."""
    return dots(places, of_rows[:, None], of_rows.new_ones(places.width, 1))


def spread(of_columns: Tensor, places: Places) -> Tensor:
    """For each entry [n] the value of its column [width]; differentiable."""
    return dots(places, of_columns.new_ones(places.size, 1), of_columns[:, None])


class _Product(torch.autograd.Function):
    """Of entries, x and weights, one of them None, the product of the other two; the gradients are the other two."""

    @staticmethod
    def forward(ctx: Any, places: Places, *factors: Tensor | None) -> Tensor:
        ctx.save_for_backward(*factors)
        ctx.places = places
        return _product(places, *factors)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        factors = [grad if factor is None else factor for factor in ctx.saved_tensors]
        wanted = ctx.needs_input_grad[1:]
        return None, *(
            _product(ctx.places, *(None if m == n else f for m, f in enumerate(factors))) if wanted[n] else None
            for n in range(3)
        )


class _Encode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor, bias: Tensor, centre: Tensor | None) -> Tensor:
        inputs = x if centre is None else x - centre
        ctx.save_for_backward(inputs, weights)
        return torch.addmm(bias, inputs, weights).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weights = ctx.saved_tensors
        if grad.is_sparse:
            grad = grad.coalesce()  # nothing to do for the gradient of one `pick`
            places = Places(*grad.indices(), *grad.shape)
            of_weights = _columns(grad.values(), places, inputs).T
            of_bias = _columns(grad.values(), places, torch.ones_like(inputs[:, :1]))[:, 0]
        else:
            of_weights, of_bias = inputs.T @ grad, grad.sum(0)
        # The centre moves every input alike, so its gradient needs the bias's alone: a vector, not a matrix.
        return None, of_weights, of_bias, -(weights @ of_bias) if ctx.needs_input_grad[3] else None


class _Pick(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, places: Places) -> Tensor:
        ctx.places = places
        return h[places.rows, places.columns]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        places = ctx.places
        indices = torch.stack([places.rows, places.columns])
        shape = (places.size, places.width)
        return torch.sparse_coo_tensor(indices, grad, shape, is_coalesced=True, check_invariants=False), None
