"""Codes as entries: the three products and their gradients against dense ones, on both sides of every crossing."""

import pytest
import torch
from torch import Tensor

from rsae.training import entries
from rsae.training.entries import Places

SIZE, WIDTH, D = 6, 40, 5


def double(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def places(share: float) -> Places:
    """About that share of a matrix, with an empty first row, an empty last one and empty columns."""
    mask = torch.rand(SIZE, WIDTH, generator=torch.Generator().manual_seed(1)) < share
    mask[0] = mask[-1] = False
    mask[:, ::7] = False
    rows, columns = mask.nonzero(as_tuple=True)
    return Places(rows, columns, SIZE, WIDTH)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.14, 0.22, 0.9])
def test_products_and_gradients_are_those_of_the_dense_matrices(share: float) -> None:
    where = places(share)
    values, x, weights = double(len(where.rows)), double(SIZE, D, seed=2), double(WIDTH, D, seed=3)
    dense = where.dense(values)
    torch.testing.assert_close(entries.decode(values, where, weights), dense @ weights)
    torch.testing.assert_close(entries.dots(where, x, weights), (x @ weights.T)[where.rows, where.columns])
    torch.testing.assert_close(entries.sums(values, where), dense.sum(1))
    values, x, weights = (part.requires_grad_() for part in (values, x, weights))
    check = torch.autograd.gradcheck
    assert check(lambda v, w: entries.decode(v, where, w), (values, weights))
    assert check(lambda a, w: entries.dots(where, a, w), (x, weights))
    assert check(lambda v: entries.sums(v, where), (values,))
    assert check(lambda v: entries.broadcast(v, where), (double(SIZE).requires_grad_(),))
    assert check(lambda v: entries.spread(v, where), (double(WIDTH).requires_grad_(),))


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_the_encoder_takes_sparse_and_dense_gradients(centred: bool, share: float) -> None:
    where = places(share)
    x, weights, bias = double(SIZE, D), double(D, WIDTH, seed=4).requires_grad_(), double(WIDTH).requires_grad_()
    centre = double(D, seed=5).requires_grad_() if centred else None
    torch.testing.assert_close(
        entries.encode(x, weights, bias, centre), (x if centre is None else x - centre) @ weights + bias
    )
    inputs = [weights, bias] if centre is None else [weights, bias, centre]

    def picked(*parameters: Tensor) -> Tensor:
        return entries.pick(entries.encode(x, *parameters[:2], parameters[2] if centred else None), where)

    assert torch.autograd.gradcheck(picked, inputs)
    assert torch.autograd.gradcheck(lambda *p: entries.encode(x, *p[:2], p[2] if centred else None), inputs)

    def both(*parameters: Tensor) -> Tensor:
        h = entries.encode(x, *parameters[:2], parameters[2] if centred else None)
        return entries.pick(h, where).square().sum() + entries.pick(h, where).sum() + h[0, 0]

    assert torch.autograd.gradcheck(both, inputs)


def test_nothing_of_the_size_of_the_codes_is_kept_for_the_backward_pass() -> None:
    where = places(0.05)
    x, weights, bias = double(SIZE, D), double(D, WIDTH).requires_grad_(), double(WIDTH).requires_grad_()
    rows = double(WIDTH, D).requires_grad_()
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        values = entries.pick(entries.encode(x, weights, bias, None), where)
        entries.decode(values, where, rows).square().sum()
    parameters = {rows.data_ptr(), weights.data_ptr(), bias.data_ptr()}
    assert max(tensor.numel() for tensor in kept if tensor.data_ptr() not in parameters) <= SIZE * D
    assert SIZE * D < SIZE * WIDTH


def test_sums_are_the_same_bits_every_time() -> None:
    generator = torch.Generator().manual_seed(0)
    rows, columns = (torch.rand(512, 300, generator=generator) < 0.1).nonzero(as_tuple=True)
    values, x = torch.randn(len(rows), generator=generator), torch.randn(512, 32, generator=generator)

    def gradient() -> Tensor:
        weights = torch.ones(300, 32, requires_grad=True)
        (entries.decode(values, Places(rows, columns, 512, 300), weights) * x).sum().backward()
        assert weights.grad is not None
        return weights.grad

    assert all(torch.equal(gradient(), gradient()) for _ in range(3))
