"""What `test_triton.py` runs in other processes: on a CUDA device, or on a CPU in Triton's interpreter."""

import os
import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rational_approx.arithmetic.domain import Domain
from rational_approx.rationals.rational import Rational
from rsae.activations import kernels
from rsae.activations.kernels import formula
from rsae.activations.paper import PaperActivation
from rsae.activations.ratio import RationalActivation

DEVICE = "cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda"
# Counts of coefficients.
ONE = {"(3, 0)": (4, 0, 0), "(3, 2)": (4, 2, 0), "(9, 8)": (10, 5, 4), "(17, 16)": (18, 9, 8), "(0, 0)": (1, 1, 0)}
TWO = {"(3, 0)": (10, 0, 0), "(3, 2)": (10, 3, 0), "(9, 8)": (55, 15, 10), "(0, 0)": (1, 0, 0)}
NAMES = ("curve", "curve_gradients", "dense", "dense_gradients")


@pytest.fixture(autouse=True)
def _float32_is_for_triton(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a case is not about falling back on it, the formula is there for float64 alone."""
    from rsae.activations.kernels import gpu

    monkeypatch.setattr(gpu, "PROGRAMS", 2)  # so that few tiles are more than there are programs
    for name in NAMES:
        kernel = getattr(kernels, name)
        monkeypatch.setattr(kernel, "triton_works", True)
        if "falls_back" not in request.node.name:

            def plain(first: Tensor, *rest: Tensor | None, name: str = name) -> Any:
                assert first.dtype == torch.float64, "the plain formula was called instead of the Triton kernel"
                return getattr(formula, name)(first, *rest)

            plain.__name__ = name
            monkeypatch.setattr(kernel, "plain", plain)


def draw(*shape: int, low: float = 0.0, high: float = 1.0, seed: int = 0) -> Tensor:
    found = low + (high - low) * torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    return found.to(DEVICE)


def rational(counts: tuple[int, ...]) -> list[Tensor]:
    return [draw(n, low=-0.3, high=0.7, seed=40 + n) / (1 + torch.arange(n, device=DEVICE)) for n in counts]


def close(found: Any, wanted: Any) -> None:
    """To some float32 roundings of the largest value there is, or of 1; ``wanted`` in float64."""
    if isinstance(found, Tensor):
        found, wanted = (found,), (wanted,)
    assert len(found) == len(wanted)
    for x, y in zip(found, wanted, strict=True):
        if y is None:
            assert x is None
            continue
        assert (x.dtype, x.shape) == (torch.float32, y.shape)
        if y.numel():
            torch.testing.assert_close(x.double(), y, rtol=0, atol=1e-5 * max(1.0, float(y.abs().max())))


def wide(arguments: list[Tensor | None]) -> list[Tensor | None]:
    return [None if x is None else x.double() for x in arguments]


def agrees(name: str, grad: Tensor, arguments: list[Tensor | None]) -> None:
    """Value and gradients, with the formula in float64."""
    close(getattr(kernels, name)(*arguments), getattr(formula, name)(*wide(arguments)))
    arguments = [grad, *arguments]
    gradients = f"{name}_gradients"
    close(getattr(kernels, gradients)(*arguments), getattr(formula, gradients)(*wide(arguments)))


KEPT = ((9, 33), (9, 1), (9, 1))  # shapes of h, threshold and norm share: codes kept of each token
OTHERS = [
    ((9, 33), (33,), (9, 1)),
    ((9, 33), (), ()),
    ((9, 33), (9, 33), (9, 33)),
    ((3, 4, 5), (3, 4, 1), (3, 4, 1)),
    ((), (), ()),
    ((1300,), (1300,), (1300,)),  # entries of a support: more tiles than programs, and the last of them in part
]
CASES = [
    *((False, kind, KEPT) for kind in ONE),
    *((True, kind, KEPT) for kind in TWO),
    *((both, "(3, 2)", shapes) for both in (False, True) for shapes in OTHERS),
    (False, "(9, 8)", OTHERS[-1]),
]


@pytest.mark.parametrize(("both", "kind", "shapes"), CASES, ids=str)
def test_the_curve(both: bool, kind: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    of_h, of_tau, of_share = shapes
    share = draw(*of_share, seed=3) if both else None
    coefficients = rational((TWO if both else ONE)[kind])
    h, tau = draw(*of_h, low=-1, high=3, seed=1), draw(*of_tau, low=-0.2, high=2, seed=2)
    agrees("curve", draw(*of_h, low=-1, seed=4), [h, tau, share, *coefficients])


@pytest.mark.parametrize(
    ("shape", "kind"), [((1300,), "(9, 8)"), ((3, 4, 5), "(17, 16)"), ((), "(0, 0)"), ((9, 33), "(3, 2)")], ids=str
)
def test_the_dense_form(shape: tuple[int, ...], kind: str) -> None:
    h, scales = draw(*shape, low=-3, high=3, seed=1), [torch.tensor(x, device=DEVICE) for x in (1.7, 1.3)]
    agrees("dense", draw(*shape, low=-1, seed=4), [h, *scales, *rational(ONE[kind])])


sizes = st.lists(st.integers(1, 40), min_size=1, max_size=2)


@settings(max_examples=12)
@given(shape=sizes, data=st.data())
def test_whatever_broadcasts_and_however_it_lies_in_memory(shape: list[int], data: st.DataObject) -> None:
    def part(seed: int, low: float, high: float) -> Tensor:
        kept = [size if data.draw(st.booleans()) else 1 for size in shape]
        return draw(*kept[data.draw(st.integers(0, len(shape))) :], low=low, high=high, seed=seed)

    def whole(seed: int, low: float, high: float) -> Tensor:
        how = data.draw(st.sampled_from(["plain", "transposed", "every second", "expanded"]))
        if how == "expanded":
            return draw(*shape[:-1], 1, low=low, high=high, seed=seed).expand(shape)
        if how == "every second":
            return draw(*shape[:-1], 2 * shape[-1], low=low, high=high, seed=seed)[..., ::2]
        found = draw(*(shape[::-1] if how == "transposed" else shape), low=low, high=high, seed=seed)
        return found.permute(*range(len(shape))[::-1]) if how == "transposed" else found

    share = part(3, 0, 1) if data.draw(st.booleans()) else None
    coefficients = rational(ONE["(3, 2)"] if share is None else TWO["(3, 2)"])
    agrees("curve", whole(4, -1, 1), [whole(1, -1, 3), part(2, -0.2, 2), share, *coefficients])


@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")  # the interpreter is NumPy, which notes NaN
@pytest.mark.parametrize("both", [False, True])
def test_the_gates_at_the_edges(both: bool) -> None:
    inf, nan = float("inf"), float("nan")
    h = torch.tensor([0.0, -0.0, -1.0, 1.0, 1.0, 1.0, 3.0, 1e-30, inf, -inf, nan, 2.0, 0.1], device=DEVICE)
    tau = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0, 2.0, -1.0, 1e-30, 1.0, 1.0, 1.0, nan, 0.1], device=DEVICE)
    share = torch.linspace(0, 1, len(h), device=DEVICE) if both else None
    coefficients = rational((TWO if both else ONE)["(9, 8)"])
    coefficients[0] = coefficients[0].abs()  # so that rho is positive
    grad = torch.ones_like(h)
    arguments = [h, tau, share, *coefficients]
    torch.testing.assert_close(kernels.curve(*arguments), formula.curve(*arguments), equal_nan=True)
    found, wanted = (k.curve_gradients(grad, *arguments) for k in (kernels, formula))
    for x, y in zip(found[: 3 if both else 2], wanted[: 3 if both else 2], strict=True):
        torch.testing.assert_close(x, y, equal_nan=True, atol=1e-5, rtol=1e-5)


def test_where_rho_is_negative_the_curve_is_flat_at_zero() -> None:
    h, tau = draw(5, 40, low=0.5, high=3), draw(5, 1, low=0.1, high=0.4)
    arguments = [h, tau, None, *rational(ONE["(3, 2)"])]
    arguments[3] = torch.tensor([-5.0, 0.1, 0.1, 0.1], device=DEVICE)
    assert not kernels.curve(*arguments).any()
    assert not any(x.any() for x in kernels.curve_gradients(h, *arguments) if x is not None)
    arguments[3] = torch.tensor([0.0, 1.0, 0.0, 0.0], device=DEVICE)  # rho has the sign of 2 tau - h
    agrees("curve", h, arguments)


@pytest.mark.parametrize("scale", [1.7, -1.7, 41.0])
def test_the_dense_form_is_flat_outside_its_scale_and_not_on_it(scale: float) -> None:
    of = torch.tensor(scale, device=DEVICE)
    beyond = torch.nextafter(of, 2 * of)  # times 1 / 41 it is rounded to 1
    h = torch.stack([of, -of, beyond, -beyond, of * 1.01, of * 0, of / 3])
    agrees("dense", torch.ones_like(h), [h, of, torch.tensor(1.3, device=DEVICE), *rational(ONE["(9, 8)"])])


def test_the_same_bits_every_time() -> None:
    h, tau, share, grad = (
        draw(70, 32, high=3),
        draw(70, 1, seed=1),
        draw(70, 1, seed=2),
        draw(70, 32, low=-1, seed=3),
    )
    for name, arguments in (
        ("curve", [h, tau, share, *rational(TWO["(3, 2)"])]),
        ("dense", [h, tau[0, 0], tau[1, 0], *rational(ONE["(9, 8)"])]),
    ):
        assert torch.equal(getattr(kernels, name)(*arguments), getattr(kernels, name)(*arguments))
        function = getattr(kernels, f"{name}_gradients")
        for x, y in zip(function(grad, *arguments), function(grad, *arguments), strict=True):
            assert x is y is None or torch.equal(x, y)


def test_the_activations_learn_through_them() -> None:
    """A module's gradients are those in float64, which goes through the formula; half precision is float32 within."""
    gate = RationalActivation.from_coefficients([0.9, -0.2, 0.1, 0.05], [0.1, 0.3], [0.2]).to(DEVICE)
    paper = PaperActivation(Rational((1, 2, 3), (4, 1, 1), Domain.of((-1, 1))), 2.0, 0.5).to(DEVICE)
    h, tau = draw(20, 30, low=-1, high=3), draw(20, 1, seed=1)

    for module, run in ((gate, lambda h: gate(h, tau.to(h))), (paper, paper)):
        half = h.bfloat16()
        assert torch.equal(run(half), run(half.float()).bfloat16()) or module is gate  # a gate's threshold is rounded
        gradients = []
        for x in (h.clone(), h.double()):
            module.to(x.dtype)
            x.requires_grad_()
            gradients.append(torch.autograd.grad(run(x).square().sum(), [x, *module.parameters()]))
        close(*gradients)


@pytest.mark.parametrize("case", ["empty", "coefficients", "dimensions", "differentiated"])
def test_it_falls_back_on_the_formula(case: str) -> None:
    h, tau, coefficients = draw(3, 4, 5, high=3), draw(3, 4, 1), rational(ONE["(3, 2)"])
    if case == "empty":
        h, tau = h[:0], tau[:0]
    elif case == "coefficients":
        coefficients[0] = draw(100)
    elif case == "dimensions":
        tau = draw(4, 1)[None]
        h = draw(3, 8, 5, high=3)[:, ::2]
    else:
        h.requires_grad_()
    given = [h, tau, None, *coefficients]
    found = kernels.curve(*given)
    assert found.requires_grad == h.requires_grad
    grad, h = draw(*h.shape, low=-1), h.requires_grad_(False)
    close(found.detach(), formula.curve(*wide(given)))
    close(kernels.curve_gradients(grad, *given), formula.curve_gradients(*wide([grad, *given])))


def test_float64_falls_back_on_the_formula() -> None:
    given = wide([draw(3, 4, high=3), draw(3, 1), None, *rational(ONE["(3, 2)"])])
    assert torch.equal(kernels.curve(*given), formula.curve(*given))
    for found, wanted in zip(kernels.curve_gradients(given[0], *given), formula.curve_gradients(given[0], *given)):
        assert found is wanted is None or torch.equal(found, wanted)


@pytest.mark.parametrize("error", [RuntimeError("no C compiler"), OSError("no driver"), torch.OutOfMemoryError("full")])
def test_it_falls_back_where_triton_does_not_work(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    from rsae.activations.kernels import gpu

    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(gpu, "curve", broken)
    given = [draw(5, high=3), draw(5), None, *rational(ONE["(3, 2)"])]
    if isinstance(error, torch.OutOfMemoryError):
        with pytest.raises(torch.OutOfMemoryError):
            kernels.curve(*given)
        assert kernels.curve.triton_works
    else:
        close(kernels.curve(*given), formula.curve(*wide(given)))
        assert not kernels.curve.triton_works


@pytest.mark.skipif(DEVICE == "cpu", reason="interpreted, nothing is compiled")
def test_compiled_without_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler takes less than the interpreter does; and what it makes has no atomics."""
    import triton
    from triton.backends.compiler import GPUTarget

    from rsae.activations.kernels import gpu

    compiled = []
    original = triton.JITFunction.run

    def run(self: Any, *given: Any, **options: Any) -> None:
        compiled.append(original(self, *given, **options | {"warmup": True}))

    card = SimpleNamespace(
        get_current_device=lambda: 0,
        get_current_stream=lambda _: 0,
        get_current_target=lambda: GPUTarget("cuda", 90, 32),
    )
    monkeypatch.setattr(triton.JITFunction, "run", run)
    monkeypatch.setattr(triton.runtime.driver, "_active", card)
    h, tau, one = torch.rand(64, 32), torch.rand(64, 1), torch.ones(())
    nine, three, two = ([torch.rand(n) for n in counts] for counts in (ONE["(9, 8)"], ONE["(3, 2)"], TWO["(3, 2)"]))
    gpu.curve(h, tau, None, *three)
    gpu.curve(h, tau, tau, *two)
    gpu.dense(h, one, one, *three)
    gpu.curve_gradients(h, h, tau, None, *three)
    gpu.curve_gradients(h, h, tau, tau, *two)
    gpu.dense_gradients(h, h, one, one, *nine)
    assert len(compiled) == 6
    for kernel in compiled:
        assert kernel.asm["cubin"]
        assert "ld.global" in kernel.asm["ptx"]
        assert not re.search(r"(?<![.\w])(atom|red)\.", kernel.asm["ptx"])
