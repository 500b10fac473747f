"""Training: its gradients against dense autograd, its determinism, its units, and the L0 it ends at."""

from collections.abc import Iterator
from dataclasses import replace
from threading import Event

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rsae.activations.ratio import RationalActivation
from rsae.data.states import HiddenStates
from rsae.evaluation.metrics import evaluate
from rsae.progress import Progress
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.latents import Latents
from rsae.sae.refinement import REFINEMENTS, first_steps
from rsae.sae.support import largest
from rsae.training.active import active_above, active_jump, active_kept, batch_level, sparse_topk
from rsae.training.entries import Places, decode
from rsae.training.finetuning import finetune
from rsae.training.l0 import L0Controller, match_l0, mean_l0
from rsae.training.passes import choose_pass
from rsae.training.prefetch import ahead, fetched
from rsae.training.recipe import Recipe, recipe_for
from rsae.training.units import input_scale, rescaled, working_copy
from rsae.upgrading.arms import curve_where_crowded
from rsae.upgrading.calibration import calibrate
from tests.rsae.material.sparse_data import D_SAE, sparse_states, teacher

STATES = sparse_states()
X = STATES.train[:64]
FAMILIES = ("relu", "jumprelu", "topk")
SHORT = 120


def bent(inputs: tuple[str, ...]) -> RationalActivation:
    """A gate that is not the identity."""
    gate = RationalActivation(inputs=inputs)
    with torch.no_grad():
        for parameter in gate.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(5)))
    return gate


@pytest.mark.parametrize("refine", REFINEMENTS)
@pytest.mark.parametrize("inputs", [None, ("ratio",), ("ratio", "norm")])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_training_pass_is_the_forward_pass_and_has_its_gradients(
    family: str, inputs: tuple[str, ...] | None, refine: str
) -> None:
    sae = working_copy(teacher(family), 1.0)
    sae.refine = refine
    if (step := first_steps(refine)) is not None:
        sae.residual_step = torch.nn.Parameter(step + 0.1)
    sae.activation = None if inputs is None else bent(inputs)
    weights = [sae.W_enc, sae.b_enc, sae.W_dec, sae.b_dec]
    weights += [] if sae.activation is None else list(sae.activation.parameters())
    weights += [] if sae.residual_step is None else [sae.residual_step]
    wanted = (sae(X).reconstruction - X).square().sum(1).mean()
    error, l0, _, left = choose_pass(sae, "l1", 0.05, 5.0)(sae, X)
    torch.testing.assert_close(X - left, sae(X).reconstruction, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(error, wanted)
    assert float(l0.detach()) == pytest.approx(mean_l0(_plain(sae), X))
    gradients = zip(torch.autograd.grad(error, weights), torch.autograd.grad(wanted, weights), strict=True)
    for found, expected in gradients:
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-3)


def _plain(sae: SparseAutoencoder) -> SparseAutoencoder:
    """The same support without curve and refinement: what the pass counts."""
    plain = working_copy(sae, 1.0)
    plain.activation, plain.refine = None, "none"
    return plain


def test_both_ways_to_decode_agree() -> None:
    rows = torch.tensor([0, 0, 2, 3])
    columns = torch.tensor([5, 1, 7, 7])
    weights = torch.randn(D_SAE, 6)
    codes = torch.tensor([1.0, -2.0, 0.5, 3.0])
    dense = torch.zeros(5, D_SAE)
    dense[rows, columns] = codes
    for width in (D_SAE, 8):  # few entries, and many
        places = Places(rows, columns, 5, width)
        torch.testing.assert_close(decode(codes, places, weights[:width]), dense[:, :width] @ weights[:width])


def test_jumprelu_thresholds_receive_the_rectangle_gradient_of_sae_lens() -> None:
    h = torch.tensor([[0.50, 0.52, 0.48, 0.9, 0.2]])
    theta = torch.full((5,), 0.5, requires_grad=True)
    width = 0.1
    near = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0])  # |h - theta| < width / 2
    active = active_jump(h, theta, width, Latents(h.shape[1], 0, h.shape[1]), None, None)
    torch.testing.assert_close(
        decode(active.codes, active.places, torch.eye(5)), torch.tensor([[0.0, 0.52, 0.0, 0.9, 0.0]])
    )
    pull = torch.arange(1.0, 6.0)
    (found,) = torch.autograd.grad((active.codes * pull[active.places.columns]).sum(), theta, retain_graph=True)
    torch.testing.assert_close(found, -0.5 / width * near * pull)
    (found,) = torch.autograd.grad(active.l0, theta)
    torch.testing.assert_close(found, -1 / width * near)
    # A rational changes the height of the jump by its value at ratio 1.
    gate = bent(("ratio",))
    active = active_jump(h, theta, width, Latents(h.shape[1], 0, h.shape[1]), gate, None)
    off = active.codes == 0
    (found,) = torch.autograd.grad(active.codes[off].sum(), theta)
    wanted = -0.5 * float(gate.curve(torch.tensor(1.0)).detach()) / width
    assert found[[0, 2]].tolist() == pytest.approx([wanted, wanted])


@pytest.mark.parametrize(
    ("width", "k"), [(500, 7), (512, 31), (1024, 3), (2304, 32), (4096, 32), (16_384, 32), (8192, 400)]
)
def test_the_largest_entries_are_found_by_groups_as_by_one_search(width, k):
    h = torch.stack([torch.randperm(width) for _ in range(16)]).float() - width / 2  # no two alike
    active = active_kept(largest(h, k, sparse_topk), Latents(width, 0, width), None, None)
    wanted = h.topk(k, dim=1)
    assert torch.equal(active.places.columns.view(16, k), wanted.indices)
    assert torch.equal(active.codes.view(16, k), wanted.values.clamp_min(0))


def test_supports_are_exact() -> None:
    h = torch.tensor([[3.0, 1.0, -1.0, 2.0], [-1.0, -2.0, -3.0, 0.5]])
    top = active_kept(largest(h, 2, sparse_topk), Latents(4, 0, 4), None, None)
    assert decode(top.codes, top.places, torch.eye(4)).tolist() == [[3.0, 0.0, 0.0, 2.0], [0.0, 0.0, 0.0, 0.5]]
    assert float(top.l0) == 1.5
    above = active_above(h, torch.tensor(1.0), Latents(4, 0, 4), None, None)
    assert decode(above.codes, above.places, torch.eye(4)).tolist() == [[3.0, 0.0, 0.0, 2.0], [0.0] * 4]


@pytest.mark.parametrize("rational", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_training_lowers_the_error_at_the_teachers_l0(family: str, rational: bool) -> None:
    original = teacher(family)
    start = calibrate(original, STATES) if rational else original
    trained = finetune(start, STATES, steps=SHORT, target_l0=6.0 if family != "topk" else None)
    before, after = evaluate(original, STATES), evaluate(trained, STATES)
    target = 4.0 if family == "topk" else 6.0
    assert mean_l0(trained, STATES.calibration) == pytest.approx(target, rel=0.03 if family == "topk" else 0.01)
    if family == "topk":
        assert after["mse"].value < before["mse"].value
    torch.testing.assert_close(trained.W_dec.norm(dim=1), torch.ones(D_SAE), atol=1e-5, rtol=0)
    assert (trained.encode(STATES.held_out) >= 0).all()
    if rational:
        assert trained.activation is not None
        assert not torch.equal(trained.activation.numerator, start.activation.numerator)  # type: ignore[union-attr]


def test_a_relu_trained_with_a_threshold_becomes_a_jumprelu() -> None:
    original = teacher("relu")
    recipe = recipe_for(original, sparsity="threshold")
    trained = finetune(original, STATES, steps=SHORT, recipe=recipe, target_l0=6.0)
    assert trained.family == "jumprelu"
    assert trained.threshold is not None
    assert len(set(trained.threshold.tolist())) == 1
    assert trained.threshold.tolist()[0] > 0
    assert mean_l0(trained, STATES.calibration) == pytest.approx(6.0, rel=0.005)


def test_an_l0_above_the_count_of_positive_entries_leaves_thresholds_positive() -> None:
    sae = working_copy(teacher("jumprelu"), 1.0)
    match_l0(sae, STATES.calibration, 40.0)
    assert sae.threshold is not None
    assert (sae.threshold > 0).all()
    assert (sae.encode(STATES.calibration) >= 0).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_gives_the_same_bits_and_another_does_not(family: str) -> None:
    start = calibrate(teacher(family), STATES)
    one, two, other = (finetune(start, STATES, steps=12, seed=seed) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.W_enc, other.W_enc)


@pytest.mark.parametrize("family", FAMILIES)
def test_units_do_not_matter(family: str) -> None:
    large = sparse_states(scale=64.0)
    small_result = finetune(calibrate(teacher(family), STATES), STATES, steps=20)
    large_result = finetune(calibrate(teacher(family, scale=64.0), large), large, steps=20)
    error = evaluate(small_result, STATES)["mse"].value
    assert evaluate(large_result, large)["mse"].value == pytest.approx(4096 * error, rel=1e-3)


def test_units_come_back() -> None:
    original = teacher("jumprelu")
    scale = input_scale(original, STATES.calibration)
    work = working_copy(original, scale)
    torch.testing.assert_close(
        rescaled(work, scale)(X).reconstruction, original(X).reconstruction, atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(work(X / scale).reconstruction * scale, original(X).reconstruction, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["relu", "jumprelu"])
def test_l0_is_met_also_where_the_curve_reaches_zero(family: str) -> None:
    sae = working_copy(teacher(family), 1.0)
    match_l0(sae, STATES.calibration, 5.0)
    assert mean_l0(sae, STATES.calibration) == pytest.approx(5.0, rel=2e-3)
    if family == "jumprelu":
        # Negative from ratio 0.8 on: those entries are zeros on the support, and the threshold has to make up for them.
        sae.activation = RationalActivation.from_coefficients([0.1, -0.3], [0.0, 0.1], [])
        lower = mean_l0(sae, STATES.calibration)
        match_l0(sae, STATES.calibration, 5.0, rounds=12)
        assert lower < 4.9
        assert mean_l0(sae, STATES.calibration) == pytest.approx(5.0, rel=0.02)


def test_the_controller_moves_at_most_one_per_cent_a_step() -> None:
    controller = L0Controller(2.0, target=10.0)
    controller.update(torch.tensor(1000.0))
    assert float(controller.weight) == pytest.approx(2.0 * 2.718281828 ** (0.04 * 0.25))
    for _ in range(200):
        controller.update(torch.tensor(1.0))
    assert float(controller.weight) < 1.0


def test_progress_and_curve_report_the_same_events() -> None:
    events: list[Progress] = []
    curve: list[dict[str, float]] = []
    finetune(teacher("topk"), STATES, steps=20, progress=events.append, curve=curve, arm="control")
    assert [event.step for event in events] == [point["step"] for point in curve] == list(range(1, 21))
    assert events[-1].arm == "control"
    assert events[-1].seconds_left == 0
    assert events[0].l0 == pytest.approx(4.0, abs=0.1)  # rows with fewer than k positive entries count less


def test_wider_saes_learn_at_the_same_rates_in_larger_batches() -> None:
    def wide(d_in: int, family: str = "topk") -> SparseAutoencoder:
        eye = torch.eye(d_in)
        zero = torch.zeros(d_in)
        k = 4 if family == "topk" else None
        return SparseAutoencoder(W_enc=eye, b_enc=zero, W_dec=eye, b_dec=zero, family=family, k=k)

    small, large = recipe_for(wide(64)), recipe_for(wide(576))
    assert small == Recipe(learning_rate=6e-3)
    assert large.learning_rate == small.learning_rate
    assert (large.steps, large.batch_size) == (2000, 1024)
    assert recipe_for(wide(576, "relu")).learning_rate == pytest.approx(2e-2 / 3)
    assert recipe_for(wide(576, "relu"), sparsity="threshold").learning_rate == pytest.approx(2e-2 / 3)
    assert recipe_for(wide(576), learning_rate=1e-3, batch_size=None) == replace(large, learning_rate=1e-3)


def test_what_a_curve_reads_depends_on_how_crowded_the_codes_are() -> None:
    relu, jump, topk = (teacher(family) for family in ("relu", "jumprelu", "topk"))  # 16 dimensions
    assert [curve_where_crowded(sae, 3.9) for sae in (relu, jump, topk)] == [None, None, None]
    assert [curve_where_crowded(sae, 6.0) for sae in (relu, jump, topk)] == [None, 3e-3, None]
    assert [curve_where_crowded(sae, 9.0) for sae in (relu, jump, topk)] == [None, 1e-4, None]


def test_a_relus_curve_that_reads_the_ratio_alone_learns_slowly() -> None:
    """Its one threshold moves with it: at ten times the rate it ended above the threshold alone (relu_0.5)."""
    relu, topk = teacher("relu"), teacher("topk")
    both = calibrate(relu, STATES, inputs=("ratio", "norm"))
    starts = (calibrate(relu, STATES), both, calibrate(topk, STATES), calibrate(relu, STATES, support="paper"))
    assert [recipe_for(start).coefficient_rate for start in starts] == [3e-4, 3e-3, 3e-3, 3e-3]


def test_theta_has_a_part_in_what_the_norm_share_does() -> None:
    """The token's norm, which every code reads, falls where an entry goes below its threshold."""
    gate = bent(("ratio", "norm"))
    h, size = torch.tensor([[1.0, 3.0]]), torch.tensor([[5.0]])
    theta = torch.tensor([0.95, 1.0], requires_grad=True)  # the first entry lies just above its threshold
    active_jump(h, theta, 0.2, Latents(2, 0, 2), gate, size).codes[1].backward()  # the other entry's code

    def other(power: float) -> float:
        share = size / (size + power**0.5)
        return float(gate.values(h[:, 1:], torch.tensor([[1.0]]), share).detach())

    # With both entries on, |h_S|^2 = 10; as the first one goes it falls by theta^2, over the width of the rectangle.
    slope = (other(10.1) - other(9.9)) / 0.2
    assert slope != 0
    assert theta.grad is not None
    assert float(theta.grad[0]) == pytest.approx(-slope * 0.95**2 / 0.2, rel=1e-2)


def test_a_batch_is_fetched_while_the_one_before_is_worked_on() -> None:
    fetched: list[int] = []
    asked = Event()

    def source() -> Iterator[torch.Tensor]:
        for n in range(4):
            fetched.append(n)
            if n == 1:
                asked.set()
            yield torch.tensor(n)
        raise ValueError("the disk is gone")

    batches = ahead(source())
    assert int(next(batches)) == 0
    assert asked.wait(30), "the second batch is fetched before it is asked for"
    assert [int(next(batches)) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(ValueError, match="the disk is gone"):
        next(batches)
    stopped = ahead(source())
    next(stopped)
    stopped.close()


def test_on_a_cpu_nothing_is_fetched_beside_the_steps() -> None:
    batches = STATES.batches(8, 0, 2)
    assert fetched(batches, torch.device("cpu")) is batches
    assert STATES.on("cpu") is STATES


@pytest.mark.gpu
def test_vectors_on_a_card_give_the_same_batches() -> None:
    there = STATES.on("cuda")
    assert there.train.is_cuda
    for here, batch in zip(STATES.batches(8, 0, 5, "cuda"), there.batches(8, 0, 5, "cuda"), strict=True):
        assert torch.equal(here, batch)


@given(st.integers(0, 2**32), st.floats(0.01, 0.99), st.floats(-3, 3), st.sampled_from([None, 0.0, 0.5, 3.0]))
def test_the_level_of_a_batch_lies_between_the_last_kept_and_the_first_dropped(
    seed: int, share: float, shift: float, guess: float | None
) -> None:
    h = torch.randn(5, 12, generator=torch.Generator().manual_seed(seed)) + shift
    count = min(max(1, round(5 * 12 * share)), 59)
    ordered = h.flatten().sort(descending=True).values
    level = batch_level(
        h, 12 * share, Latents(h.shape[1], 0, h.shape[1]), None if guess is None else torch.tensor(guess)
    )
    assert float(level) == max(0.0, float((ordered[count - 1] + ordered[count]) / 2))


@pytest.mark.parametrize("family", ["topk", "jumprelu", "relu"])
def test_half_precision_is_for_products_and_not_for_weights(family: str) -> None:
    start = calibrate(teacher(family), STATES)
    full = finetune(start, STATES, steps=60, recipe=recipe_for(start))
    half = finetune(start, STATES, steps=60, recipe=recipe_for(start, precision="bfloat16"))
    assert {p.dtype for p in half.parameters()} == {torch.float32}
    assert not torch.equal(half.W_enc, full.W_enc)
    errors = [evaluate(sae, STATES)["mse"].value for sae in (full, half)]
    assert errors[1] == pytest.approx(errors[0], rel=0.05)


def test_what_cannot_be_trained_is_refused() -> None:
    original = teacher("topk")
    with pytest.raises(ValueError, match="precision must be"):
        recipe_for(original, precision="float16")
    with pytest.raises(ValueError, match="steps must be a positive integer"):
        finetune(original, STATES, steps=0)
    with pytest.raises(ValueError, match="fewer than one batch"):
        finetune(original, HiddenStates(X, X, X), steps=5)
    narrow = torch.zeros(300, 3)
    with pytest.raises(ValueError, match="takes d_in = 16"):
        finetune(original, HiddenStates(narrow, narrow, narrow), steps=5)
    with pytest.raises(ValueError, match="L0 target must lie between"):
        finetune(teacher("relu"), STATES, steps=5, target_l0=99.0)
    with pytest.raises(ValueError, match="learning_rate must be a positive"):
        Recipe(learning_rate=0.0)
    with pytest.raises(ValueError, match="batch_size must be an integer"):
        replace(recipe_for(original), batch_size=0)
    with pytest.raises(ValueError, match="sparsity must be"):
        recipe_for(original, sparsity="l2")
    same = torch.ones(400, 16)
    with pytest.raises(ValueError, match="all the same vector"):
        finetune(original, HiddenStates(same, same, same), steps=5)
