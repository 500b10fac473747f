"""The rational activation: its derivative, its zeros, and its way in from and out to a `Rational`."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.polynomial import chebyshev

from rational_approx.arithmetic.domain import Domain
from rational_approx.rationals.rational import Rational
from rsae.activations import kernels
from rsae.activations.denominator import expand, positive_form
from rsae.activations.paper import PaperActivation
from rsae.activations.ratio import IDENTITIES, IDENTITY, RationalActivation

UNIT = Domain.of((0, 1))


def rational(numerator: list[float], denominator: list[float], domain: Domain = UNIT) -> Rational:
    return Rational(tuple(map(Fraction, numerator)), tuple(map(Fraction, denominator)), domain)


@pytest.mark.parametrize("arch", [None, [], [0.5], [0.4, -0.3, 0.2]])
@pytest.mark.parametrize("inputs", [("ratio",), ("ratio", "norm")])
def test_the_backward_pass_is_the_derivative(inputs: tuple[str, ...], arch: list[float] | None) -> None:
    """``None``: without a trainable denominator, where nothing is divided by it."""
    generator = torch.Generator().manual_seed(0)

    def double(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    both = len(inputs) == 2
    h = (4 * double(4, 5) - 1).requires_grad_()
    tau = (0.6 * double(4, 1) - 0.05).requires_grad_()
    share = double(4, 1).requires_grad_() if both else None
    numerator = (double(10 if both else 4) - 0.2).requires_grad_()
    denominator = (double(0 if arch is None else 3 if both else 2) - 0.5).requires_grad_()
    third = torch.tensor(arch or [], dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda *inputs: kernels.differentiable(kernels.curve, kernels.curve_gradients, inputs),
        (h, tau, share, numerator, denominator, third),
    )


@pytest.mark.parametrize("denominator", ["fixed", "trainable"])
@pytest.mark.parametrize("inputs", [("ratio",), ("ratio", "norm")])
def test_it_starts_as_the_identity_on_the_support_and_is_zero_off_it(inputs: tuple[str, ...], denominator: str) -> None:
    gate = RationalActivation(IDENTITIES[denominator], inputs)  # type: ignore[index]
    h = torch.linspace(-3, 3, 200).reshape(10, 20)
    tau = torch.linspace(-1, 1, 20)
    share = torch.rand(10, 1) if len(inputs) == 2 else None
    codes = gate(h, tau, share)
    support = (h > tau) & (h > 0)
    torch.testing.assert_close(codes[support], h[support], atol=0, rtol=1e-6)
    assert (codes[~support] == 0).all()
    assert gate.scalars == sum(p.numel() for p in gate.parameters())
    assert gate.scalars == {"fixed": (4, 10), "trainable": (6, 13)}[denominator][len(inputs) - 1]


def test_the_default_is_a_cubic_in_the_ratio_whose_denominator_in_h_is_fixed() -> None:
    """Against the formula in h, which reads the coefficients in powers of u."""
    gate = RationalActivation()
    with torch.no_grad():
        gate.numerator.copy_(torch.tensor([0.9, -0.2, 0.1, 0.05]))
    a = chebyshev.Chebyshev(gate.numerator.tolist(), domain=[0, 1]).convert(kind=np.polynomial.Polynomial)
    h, tau = np.linspace(1.1, 9, 50), 0.8
    codes = (a.coef[0] * h**3 + a.coef[1] * tau * h**2 + a.coef[2] * tau**2 * h + a.coef[3] * tau**3) / h**2
    found = gate(torch.tensor(h, dtype=torch.float32), torch.tensor(tau))
    np.testing.assert_allclose(found.detach(), codes, rtol=1e-5)
    assert gate.of_fixed_denominator
    assert gate.rational().type == (3, 0)
    assert not RationalActivation(IDENTITIES["trainable"]).of_fixed_denominator
    assert RationalActivation(IDENTITIES["trainable"]).rational().type == (3, 2)


def test_what_could_never_learn_is_no_parameter() -> None:
    """A constant denominator had two scalars at 0, whose gradients are 0: they were counted, and moved nowhere."""
    start = rational([0.5, 0.25], [2.0])
    gate = RationalActivation(start)
    assert [p.numel() for p in (gate.numerator, gate.denominator, gate.arch)] == [2, 0, 0]
    np.testing.assert_allclose(gate.rational()(np.linspace(0, 1, 9)), start(np.linspace(0, 1, 9)), atol=1e-7)


def test_codes_are_never_negative_even_where_the_curve_is() -> None:
    gate = RationalActivation(rational([-0.2, 1.0], [1.0]))
    codes = gate(torch.linspace(0.1, 5, 50), torch.tensor(1.0))
    assert (codes >= 0).all()
    assert (codes > 0).any()


def test_it_is_homogeneous_in_pre_activation_and_threshold() -> None:
    gate = RationalActivation.from_coefficients([0.9, -0.2, 0.1, 0.05], [0.1, 0.3], [0.2])
    h, tau = torch.rand(30) + 0.5, torch.tensor(0.7)
    torch.testing.assert_close(gate(8 * h, 8 * tau), 8 * gate(h, tau))


def test_coefficients_come_in_and_go_out_as_an_exact_rational() -> None:
    given_curve = rational([0.7, -0.3, 0.05, 0.02], [1.5, 0.4, 0.3])
    gate = RationalActivation(given_curve)
    u = np.linspace(0, 1, 101)
    np.testing.assert_allclose(gate.rational()(u), given_curve(u), atol=3e-7)
    measured = gate.curve(torch.linspace(0, 1, 101)).detach()
    with torch.no_grad():
        assert torch.equal(gate.curve(torch.linspace(0, 1, 101)), measured)
    np.testing.assert_allclose(measured, gate.rational()(np.linspace(0, 1, 101, dtype=np.float32)), atol=3e-7)
    again = RationalActivation(gate.rational())
    np.testing.assert_allclose(again.rational()(u), gate.rational()(u), atol=1e-7)


def test_with_two_inputs_a_slice_goes_out() -> None:
    gate = RationalActivation(IDENTITIES["trainable"], ("ratio", "norm"))
    with torch.no_grad():
        for parameter in gate.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(4)))
    u = torch.linspace(0, 1, 33)
    for share in (0.0, 0.25, 1.0):
        exact = gate.rational(share)(u.double().numpy())
        np.testing.assert_allclose(gate.curve(u, torch.full_like(u, share)).detach(), exact, atol=1e-6)


@settings(max_examples=60, deadline=None)
@example([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.9375, 2.0**-24], 0.01171875)  # a zero near the circle cost half of the digits
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=9), st.floats(0.01, 2))
def test_every_positive_polynomial_has_the_positive_form(coefficients: list[float], above: float) -> None:
    v = np.linspace(-1, 1, 3001)
    q = np.array(coefficients)
    q[0] += above - chebyshev.chebval(v, q).min()
    if chebyshev.chebval(np.linspace(-1, 1, 100_001), q).min() <= 0:
        return  # the grid above missed a dip; nothing is claimed for a denominator with a zero
    scale, b, c = positive_form(q.tolist())
    wanted = scale * chebyshev.chebval(v, q)
    found = 1 + chebyshev.chebval(v, b) ** 2 + (1 - v**2) * chebyshev.chebval(v, c) ** 2
    np.testing.assert_allclose(found, wanted, rtol=1e-8)
    exact = expand([Fraction(x) for x in b], [Fraction(x) for x in c])
    np.testing.assert_allclose(chebyshev.chebval(v, [float(x) for x in exact]), wanted, rtol=1e-8)


def test_a_negative_denominator_is_turned_and_a_vanishing_one_refused() -> None:
    turned = RationalActivation(rational([-1.0], [-2.0, -0.5]))
    np.testing.assert_allclose(turned.rational()(0.5), 0.5)
    with pytest.raises(ValueError, match="must not vanish"):
        RationalActivation(rational([1.0], [0.0, 1.0]))


def test_what_cannot_be_an_activation_is_refused() -> None:
    with pytest.raises(ValueError, match=r"its domain is \[0, 1\]"):
        RationalActivation(rational([1.0], [1.0], Domain.of((-1, 1))))
    with pytest.raises(ValueError, match="inputs must be"):
        RationalActivation(inputs=("value",))
    with pytest.raises(ValueError, match="norm share"):
        RationalActivation(inputs=("ratio", "norm"))(torch.ones(3), torch.zeros(3))
    with pytest.raises(ValueError, match="total degree"):
        RationalActivation.from_coefficients([1.0, 0.0], [0.0], [], ("ratio", "norm"))
    with pytest.raises(ValueError, match="finite"):
        RationalActivation.from_coefficients([float("nan")], [0.0], [])


def test_the_papers_form_is_dense_scaled_and_exported_exactly() -> None:
    curve = rational([0.3, 0.5, 0.2, 0.01], [1.2, 0.1, 0.3], Domain.of((-1, 1)))
    gate = PaperActivation(curve, input_scale=4.0, output_scale=3.0)
    h = torch.linspace(-4, 4, 41)
    np.testing.assert_allclose(gate(h).detach(), 3 * curve(h.double().numpy() / 4), atol=1e-6)
    np.testing.assert_allclose(gate.rational()(0.3), curve(0.3), atol=1e-6)
    assert (gate(h) != 0).all()
    torch.testing.assert_close(gate(torch.tensor(99.0)), gate(torch.tensor(4.0)))
    with pytest.raises(ValueError, match="must be positive"):
        PaperActivation(curve, input_scale=0.0)
    with pytest.raises(ValueError, match=r"in \[-1, 1\]"):
        PaperActivation(IDENTITY, input_scale=1.0)
