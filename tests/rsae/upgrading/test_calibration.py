"""The start of an upgrade is the teacher itself; the paper's start is the best fit to it."""

import pytest
import torch

from rsae.activations.paper import PaperActivation
from rsae.activations.ratio import IDENTITY
from rsae.data.states import HiddenStates
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.training.l0 import mean_l0
from rsae.upgrading.calibration import calibrate
from tests.rsae.material.saes import random_sae
from tests.rsae.material.sparse_data import sparse_states, teacher

STATES = sparse_states()
FAMILIES = ("relu", "jumprelu", "topk")


@pytest.mark.parametrize("inputs", [("ratio",), ("ratio", "norm"), None])
@pytest.mark.parametrize("family", FAMILIES)
def test_step_zero_is_the_teacher_to_float32_rounding(family: str, inputs: tuple[str, ...] | None) -> None:
    original = teacher(family)
    started = calibrate(original, STATES, inputs=inputs)
    assert started.activation is not None
    # A ReLU's curve that reads the norm share harms features where these are known, so that it is no default.
    assert started.activation.inputs == (inputs or (("ratio",) if family == "relu" else ("ratio", "norm")))
    wanted, found = original(STATES.held_out), started(STATES.held_out)
    torch.testing.assert_close(found.reconstruction, wanted.reconstruction, atol=2e-6, rtol=2e-6)
    assert ((found.codes != 0) == (wanted.codes != 0)).all()
    assert mean_l0(started, STATES.held_out) == mean_l0(original, STATES.held_out)


@pytest.mark.parametrize("normalise", ["layer_norm", "constant_norm_rescale"])
def test_step_zero_is_the_teacher_whose_inputs_are_normalised(normalise: str) -> None:
    original = random_sae("topk", normalise=normalise)
    x = torch.randn(40, 8)
    started = calibrate(original, HiddenStates(x, x, x))
    torch.testing.assert_close(started(x).reconstruction, original(x).reconstruction, atol=1e-5, rtol=1e-5)


def test_the_denominator_is_fixed_unless_it_is_asked_for() -> None:
    original = teacher("jumprelu")
    assert calibrate(original, STATES).activation.rational().type == (3, 0)
    published = calibrate(original, STATES, denominator="trainable")
    assert published.activation.rational().type == (3, 2)
    wanted = original(STATES.held_out).reconstruction
    torch.testing.assert_close(published(STATES.held_out).reconstruction, wanted, atol=2e-6, rtol=2e-6)


def test_the_teacher_is_left_alone() -> None:
    original = teacher("topk")
    before = {name: value.clone() for name, value in original.state_dict().items()}
    calibrate(original, STATES)
    assert original.activation is None
    assert all(torch.equal(before[name], value) for name, value in original.state_dict().items())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_papers_start_is_dense_and_near_the_teachers_codes(family: str) -> None:
    original = teacher(family)
    started = calibrate(original, STATES, support="paper")
    assert isinstance(started.activation, PaperActivation)
    assert started.activation.rational().type == ((3, 2) if family == "relu" else (9, 8))
    codes, wanted = started.encode(STATES.held_out), calibrate(original, STATES).encode(STATES.held_out)
    assert float((codes != 0).float().mean()) > 0.99
    # Nearer to the teacher's codes than any multiple of h without a gate is.
    h = started.pre_activations(STATES.held_out)
    best = h * ((h * wanted).sum() / h.square().sum())
    assert (codes - wanted).square().sum() < 0.5 * (best - wanted).square().sum()


def test_what_cannot_be_calibrated_is_refused() -> None:
    started = calibrate(teacher("topk"), STATES)
    with pytest.raises(ValueError, match="already"):
        calibrate(started, STATES)
    with pytest.raises(ValueError, match="d_in = 8"):
        calibrate(random_sae("relu"), STATES)
    with pytest.raises(ValueError, match="support must be"):
        calibrate(teacher("topk"), STATES, support="soft")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="belong to support='exact'"):
        calibrate(teacher("topk"), STATES, support="paper", inputs=("ratio",))
    with pytest.raises(ValueError, match="its denominator is trained"):
        calibrate(teacher("topk"), STATES, support="paper", denominator="fixed")
    with pytest.raises(ValueError, match="must be 'fixed' or 'trainable', not 'any'"):
        calibrate(teacher("topk"), STATES, denominator="any")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not both"):
        calibrate(teacher("topk"), STATES, IDENTITY, denominator="fixed")
    with pytest.raises(ValueError, match="belongs to support='paper'"):
        calibrate(teacher("topk"), STATES, degree=(3, 2))
    negative = random_sae("jumprelu", threshold=torch.full((24,), -0.1))
    x = torch.randn(40, 8)
    with pytest.raises(ValueError, match="24 JumpReLU thresholds are negative"):
        calibrate(negative, HiddenStates(x, x, x))
    silent = SparseAutoencoder(
        **{name: getattr(teacher("relu"), name) for name in ("W_enc", "W_dec", "b_dec")},
        b_enc=torch.full((48,), -99.0),
        family="relu",
    )
    with pytest.raises(ValueError, match="fires on none"):
        calibrate(silent, STATES, support="paper")
