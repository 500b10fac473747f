"""Every way to compute the activations gives what the formula says: in pieces, compiled, in half precision."""

import pytest
import torch
from torch import Tensor

from rsae.activations import kernels
from rsae.activations.kernels import formula
from rsae.activations.paper import PaperActivation
from rsae.activations.ratio import RationalActivation
from tests.rsae.activations.test_activation import rational


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def arguments(h_shape: tuple[int, ...], tau_shape: tuple[int, ...], both: bool) -> list[Tensor | None]:
    share = draw(*h_shape[:-1], 1, seed=3) if both else None
    sizes = (10, 6, 3) if both else (10, 5, 4)
    return [
        4 * draw(*h_shape) - 1,
        draw(*tau_shape, seed=2),
        share,
        *(draw(n, seed=4 + i) - 0.3 for i, n in enumerate(sizes)),
    ]


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(
    ("h_shape", "tau_shape"), [((30, 7), (30, 1)), ((30, 7), (7,)), ((30, 7), ()), ((30, 7), (1, 7)), ((210,), (210,))]
)
def test_pieces_give_the_same(
    h_shape: tuple[int, ...], tau_shape: tuple[int, ...], both: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if both and len(h_shape) == 1:
        h_shape, tau_shape = (210, 1), (210, 1)
    monkeypatch.setattr(kernels, "PIECE", 5)  # less than a row
    inputs = arguments(h_shape, tau_shape, both)
    torch.testing.assert_close(kernels.curve(*inputs), formula.curve(*inputs))
    grad = draw(*h_shape, seed=9)
    for found, wanted in zip(
        kernels.curve_gradients(grad, *inputs), formula.curve_gradients(grad, *inputs), strict=True
    ):
        torch.testing.assert_close(found, wanted)


def test_the_dense_form_is_its_derivative_and_goes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    h = 6 * draw(7, 4) - 3
    rest = [torch.tensor(2.0).double(), torch.tensor(1.5).double(), *(draw(n, seed=n) - 0.4 for n in (10, 5, 4))]
    inputs = [part.requires_grad_() for part in (h, *rest)]

    class Dense(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *given):  # type: ignore[no-untyped-def]
            ctx.save_for_backward(*given)
            return kernels.dense(*given)

        @staticmethod
        def backward(ctx, grad):  # type: ignore[no-untyped-def]
            return kernels.dense_gradients(grad, *ctx.saved_tensors)

    assert torch.autograd.gradcheck(Dense.apply, inputs)
    monkeypatch.setattr(kernels, "PIECE", 5)
    assert torch.autograd.gradcheck(Dense.apply, inputs)


def test_half_precision_is_computed_in_float32() -> None:
    h, tau = (4 * draw(64, 32) - 1).bfloat16(), draw(64, 1, seed=1).bfloat16()
    gate = RationalActivation.from_coefficients([0.9, -0.2, 0.1, 0.05], [0.1, 0.3], [0.2])
    half, whole = h.clone().requires_grad_(), h.float().requires_grad_()
    codes = gate.values(half, tau)
    assert codes.dtype == torch.bfloat16
    torch.testing.assert_close(codes, gate.values(whole, tau.float()).bfloat16(), atol=0, rtol=0)
    (codes.float().sum() + gate.values(whole, tau.float()).sum()).backward()
    assert half.grad is not None
    assert whole.grad is not None
    torch.testing.assert_close(half.grad, whole.grad.bfloat16(), atol=0, rtol=0)
    assert gate.numerator.grad is not None
    assert gate.numerator.grad.dtype == torch.float32
    paper = PaperActivation(rational([0.1, 0.4, 0.2], [1.2, 0.1], domain=_domain()), 3.0)
    torch.testing.assert_close(paper(h), paper(h.float()).bfloat16(), atol=0, rtol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        product = h @ torch.eye(32)
        torch.testing.assert_close(gate.values(product, tau), gate.values(product.float(), tau.float()).bfloat16())


def _domain():  # type: ignore[no-untyped-def]
    from rational_approx.arithmetic.domain import Domain

    return Domain.of((-1, 1))


def test_only_the_inputs_are_kept_for_the_backward_pass() -> None:
    h = (4 * draw(64, 32, dtype=torch.float32) - 1).requires_grad_()
    for function in (
        lambda x: RationalActivation(inputs=("ratio",)).values(x, torch.ones(64, 1)),
        PaperActivation(rational([0.1, 0.4, 0.2], [1.2, 0.1], domain=_domain()), 3.0),
    ):
        kept: list[Tensor] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, kept=kept: kept.append(t) or t, lambda t: t):
            function(h)
        assert [t.data_ptr() for t in kept if t.numel() >= h.numel()] == [h.data_ptr()]


# A note of torch about itself, which as an error would keep it from compiling and so let the test compare nothing.
@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")
@pytest.mark.slow
def test_the_compiled_kernels_give_the_same_and_the_same_bits_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for kernel in (kernels.dense, kernels.dense_gradients):
        monkeypatch.setattr(kernel, "compiled_from", 1)
    h, rest = 6 * draw(64, 100, dtype=torch.float32) - 3, [torch.tensor(2.0), torch.tensor(1.5)]
    rest += [draw(n, seed=n, dtype=torch.float32) - 0.4 for n in (10, 5, 4)]
    grad = draw(64, 100, seed=8, dtype=torch.float32)
    torch.testing.assert_close(kernels.dense(h, *rest), formula.dense(h, *rest))
    first, second = (kernels.dense_gradients(grad, h, *rest) for _ in range(2))
    for found, again, wanted in zip(first, second, formula.dense_gradients(grad, h, *rest), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-4)
        assert torch.equal(found, again)
    if not kernels.dense.works:
        pytest.skip("torch.compile finds no compiler on this machine; the pieces gave the same")


def test_without_a_compiler_the_result_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> object:
        def fails(*_: object) -> None:
            raise RuntimeError("no compiler")

        return fails

    monkeypatch.setattr(torch, "compile", broken)
    kernel = kernels._Kernel(formula.curve, 3, compiled_from=1)
    inputs = arguments((30, 7), (30, 1), False)
    torch.testing.assert_close(kernel(*inputs), formula.curve(*inputs))
    assert not kernel.works
