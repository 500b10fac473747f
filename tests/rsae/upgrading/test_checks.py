"""What a teacher refuses, with a reason that helps."""

import pytest
import torch

from rsae.sae.autoencoder import SparseAutoencoder
from rsae.training.l0 import mean_l0
from rsae.upgrading.checks import checked_l0, known_harm, missed_l0, remarks
from rsae.upgrading.pipeline import Settings, upgrade
from tests.rsae.material.sparse_data import sparse_states, teacher

X = sparse_states(1800).calibration


def on_unit_norm() -> SparseAutoencoder:
    """A teacher of vectors scaled to norm sqrt(d_in), each by itself."""
    original = teacher("topk")
    root, norm = X.shape[1] ** 0.5, float(X.norm(dim=1).mean())
    factor = root / norm
    with torch.no_grad():
        original.b_enc.mul_(factor)
        original.b_dec.mul_(factor)
    return original


def test_a_teacher_at_home_gives_its_l0() -> None:
    assert checked_l0(teacher("relu"), X) == mean_l0(teacher("relu"), X)
    assert remarks(None, teacher("relu"), X, {}) == ""


@pytest.mark.parametrize(
    ("x", "way"),
    [
        (X * 40, r"sqrt\(d_in\)"),
        (X * 4, r"divided by 4 \(sqrt\(d_in\)\)"),
        (X - 20.0, "moved by .* to the teacher's centre"),
    ],
)
def test_states_of_another_scale_are_refused_with_the_change_that_mends_them(x: torch.Tensor, way: str) -> None:
    subject = on_unit_norm() if way.startswith("sqrt") else teacher("topk")
    with pytest.raises(ValueError, match=f"They fit if .*{way}"):
        checked_l0(subject, x)


def test_what_nothing_explains_is_said_so() -> None:
    noise = 30 + 0.01 * torch.randn(500, X.shape[1], generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="No usual normalisation explains it"):
        checked_l0(teacher("topk"), noise)


def test_dead_latents_only_and_values_that_are_no_numbers() -> None:
    dead = teacher("relu")
    with torch.no_grad():
        dead.b_enc.fill_(-1e3)
    with pytest.raises(ValueError, match="all of its latents are dead here"):
        checked_l0(dead, X)
    broken = X.clone()
    broken[3, 1] = torch.nan
    with pytest.raises(ValueError, match="1 of 1500 calibration vectors hold NaN"):
        checked_l0(teacher("relu"), broken)
    huge = teacher("relu")
    with torch.no_grad():
        huge.W_enc.mul_(1e38)
    with pytest.raises(ValueError, match="codes on these hidden states are NaN"):
        checked_l0(huge, 1e3 * X)


def test_a_host_that_cannot_predict_the_text_and_a_teacher_that_explains_little_are_remarked() -> None:
    class Strange:
        class model:
            @staticmethod
            def get_input_embeddings() -> torch.nn.Embedding:
                return torch.nn.Embedding(1000, 2)

        @staticmethod
        def clean_loss() -> float:
            return 5.0

    assert "5.00 nats a token, where guessing costs 6.91" in remarks(Strange(), teacher("relu"), X, {})  # type: ignore[arg-type]
    weak = teacher("relu")
    with torch.no_grad():
        weak.W_dec.mul_(0.1)
    assert "of the variance of these hidden states unexplained" in remarks(None, weak, X, {})
    weak.metadata["hook"] = "blocks.2.hook_resid_post"
    assert "Accepted although it was trained at" in remarks(None, weak, X, {"hook": "model.layers.3"})


def test_a_teacher_that_explains_less_than_it_should_is_refused_unless_that_is_accepted() -> None:
    """It was a remark behind the verdict, and the report's figures looked like a success."""
    weak = teacher("relu")
    with torch.no_grad():
        weak.W_dec.mul_(0.1)
    with pytest.raises(ValueError, match=r"explains \d.*%.* where 25% or more.*another layer, hook or model"):
        checked_l0(weak, X)
    assert checked_l0(weak, X, accept_mismatch=True) == mean_l0(weak, X)
    known = teacher("topk")  # which explains 42% here
    known.metadata["explained_variance"] = 0.45
    assert checked_l0(known, X) == mean_l0(known, X)
    known.metadata["explained_variance"] = 0.8
    with pytest.raises(ValueError, match=r"explains 41.7% of their variance, and recorded 80.0%"):
        checked_l0(known, X)


def test_a_mean_l0_far_from_the_recorded_one_is_refused() -> None:
    subject = teacher("jumprelu")  # mean L0 7.2
    for recorded, fits in ((6.0, True), (12, True), (20.0, False), (2.5, False), ("many", True)):
        subject.metadata["l0"] = recorded
        if fits:
            assert checked_l0(subject, X) == mean_l0(subject, X)
        else:
            with pytest.raises(ValueError, match=f"its mean L0 on them is 7.2.*, and it recorded {recorded:g}"):
                checked_l0(subject, X)


def test_inputs_that_are_to_be_scaled_by_whoever_feeds_the_sae() -> None:
    subject = teacher("topk")
    subject.metadata["inputs_scaled_outside"] = "expected_average_only_in"
    with pytest.raises(ValueError, match=r"takes inputs of mean norm sqrt\(d_in\) = 4 "):
        checked_l0(subject, X * 0.5)


def test_an_l0_that_was_not_kept_is_said_with_its_arm() -> None:
    kept, wanted = teacher("relu"), mean_l0(teacher("relu"), X)
    assert missed_l0({"upgraded": mean_l0(kept, X)}, wanted) == ""
    assert missed_l0({"upgraded": wanted, "control": mean_l0(teacher("topk"), X)}, wanted).startswith(
        f"L0 {wanted:.2f} could not be kept: on the calibration vectors control 3.99."
    )


@pytest.mark.parametrize(
    ("family", "settings", "named"),
    [
        ("topk", Settings(refine="residual"), "the refinement 'residual' lowered"),
        ("topk", Settings(), None),
        ("relu", Settings(inputs=("ratio", "norm")), "a ReLU's curve that reads the norm share lowered"),
        ("relu", Settings(inputs=("ratio",)), None),
    ],
)
def test_an_upgrade_warns_by_name_of_what_harmed_known_features(
    family: str, settings: Settings, named: str | None
) -> None:
    report = upgrade(teacher(family), sparse_states(), steps=60, device="cpu", settings=settings).report
    assert ("harmed features" in report.verdict) == (named is not None)
    assert named is None or f"Where features are known, {named}" in report.verdict


def test_what_was_not_measured_is_not_warned_of() -> None:
    assert known_harm("topk", "gain", ("ratio", "norm")) == known_harm("jumprelu", "none", ("ratio", "norm")) == ""
    both = known_harm("relu", "search", ("ratio", "norm"))
    assert "the refinement 'search' and a ReLU's curve" in both
