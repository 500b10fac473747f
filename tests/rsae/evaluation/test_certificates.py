"""What is proved of an upgrade: distances to the teacher, and the trained curve."""

from fractions import Fraction

import pytest
import torch

from rational_approx import Domain, Rational
from rsae.activations.ratio import IDENTITIES, Denominator, RationalActivation
from rsae.evaluation.certificates import certificates, curve_certificate, distance_bound
from rsae.upgrading.calibration import calibrate
from tests.rsae.material.sparse_data import sparse_states, teacher

STATES = sparse_states(2400)


def shrinking() -> Rational:
    """1 - u / 4: a curve away from the teacher's."""
    return Rational((Fraction(7, 8), Fraction(-1, 8)), (Fraction(1),), Domain.of((0, 1)))


@pytest.mark.parametrize("family", ["relu", "jumprelu", "topk"])
def test_the_bound_holds_and_is_rounding_where_nothing_was_changed(family: str) -> None:
    original = teacher(family)
    found = distance_bound(original, calibrate(original, STATES), STATES.held_out)
    assert found["status"] == "proved"
    assert found["bound"] < 1e-5
    assert found["measured"] < 1e-4  # float32 arithmetic, which the bound leaves out
    assert found["measured"] <= found["bound"] + found["rounding"]
    assert found["other_support"] == 0


def test_what_rounding_does_is_told_apart_from_what_the_curve_does() -> None:
    original, x = teacher("topk"), STATES.held_out
    started = calibrate(original, STATES)
    assert started.activation is not None
    with torch.no_grad():
        started.b_enc += 1e-3 * torch.randn(started.b_enc.shape, generator=torch.Generator().manual_seed(0))
    found = distance_bound(original, started, x)
    assert started.activation is not None, "measuring leaves the SAE as it was"
    assert 0 < found["other_support"] < len(x) // 2
    assert found["distance_of_other_support"] > found["measured"]
    assert found["rounding"] == pytest.approx(found["measured"], rel=0.01)
    sentence = certificates(original, started, started, x)["initialised"]["sentence"]
    assert f"On {found['other_support']} vectors, left out here" in sentence
    assert f"rounding alone, with the curve taken out, makes {found['rounding']:.2g}" in sentence


@pytest.mark.parametrize("family", ["jumprelu", "topk"])
def test_the_bound_covers_another_curve_and_is_not_vacuous(family: str) -> None:
    original = teacher(family)
    started = calibrate(original, STATES, shrinking(), inputs=("ratio",))
    found = distance_bound(original, started, STATES.held_out)
    assert found["curve_error"] == pytest.approx(0.25)
    assert found["measured"] <= found["bound"] * (1 + 1e-5)
    assert found["measured"] > 0.05 * found["bound"]
    assert found["hash"].startswith("sha256:")


def test_the_dense_form_of_relu_has_a_bound_and_that_of_a_jump_none() -> None:
    original = teacher("relu")
    started = calibrate(original, STATES, support="paper")
    for x in (STATES.held_out, 30 * STATES.held_out):  # the second is far beyond C_in
        found = distance_bound(original, started, x)
        assert found["status"] == "proved"
        assert found["measured"] <= found["bound"]
        assert found["measured"] > 1e-2 * found["bound"]
    jump = teacher("jumprelu")
    assert distance_bound(jump, calibrate(jump, STATES, support="paper"), STATES.held_out)["status"] == "undecided"


@pytest.mark.parametrize("denominator", ["fixed", "trainable"])
def test_the_certificate_of_a_trained_curve_holds_at_every_point_tried(denominator: Denominator) -> None:
    gate = RationalActivation(IDENTITIES[denominator], ("ratio", "norm"))
    with torch.no_grad():
        for parameter in gate.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
    original = teacher("topk")
    trained = calibrate(original, STATES)
    trained.activation = gate
    tree = certificates(original, calibrate(original, STATES), trained, STATES.held_out)
    assert list(tree) == ["initialised", *(f"trained curve, norm share {q}" for q in (0.25, 0.5, 0.75)), "everywhere"]
    u = torch.linspace(0, 1, 513)
    for share in (0.25, 0.5, 0.75):
        entry = tree[f"trained curve, norm share {share}"]
        assert entry["status"] == "proved"
        low, high = (float(Fraction(bound)) for bound in entry["claims"]["range"])
        values = torch.tensor([float(gate.rational(share)(Fraction(float(x)))) for x in u])
        assert low <= values.min()
        assert values.max() <= high
        assert high - low < 1.05 * (values.max() - values.min()) + 0.01
        assert (values.diff().abs() / u.diff()).max() <= float(Fraction(entry["claims"]["lipschitz"][0]))
        assert (gate.curve(u, torch.full_like(u, share)) <= tree["everywhere"]["bound"]).all()
        assert "proved" in entry["sentence"]
    pole = "only pole, in h, is at 0" if denominator == "fixed" else "Q is at least 1, so that there is no pole"
    assert pole in tree["everywhere"]["sentence"]


def test_a_curve_with_a_pole_is_refuted() -> None:
    pole = Rational((Fraction(1),), (Fraction(0), Fraction(1)), Domain.of((0, 1)))  # 1 / (2u - 1)
    found = curve_certificate(pole)
    assert found.status == "refuted"
    assert found.pole_free is False
