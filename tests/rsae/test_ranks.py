"""Several processes train what one does; a lost one ends the run, and any number goes on from its checkpoint."""

import copy
import json
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rsae import ranks
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.latents import Latents
from rsae.upgrading.calibration import calibrate
from tests.benchmarks.upgrade import scale_out
from tests.rsae.material import ranks_training
from tests.rsae.material.sparse_data import sparse_states, teacher

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked, and talk through gloo")

# Sums of float32 in another order. Adam divides each gradient by its own size, so weights whose gradient is nearly
# zero may take another way; the loss does not.
GRADIENT_TOLERANCE = 1e-5
LOSS_TOLERANCE = 5e-3
PRICE_TOLERANCE = 2e-3  # of the penalty a JumpReLU starts with: a difference of two nearly equal errors
STATES = sparse_states()
CASES = ("topk nested gain", "jumprelu search", "relu", "relu control", "groupmax")
MORE = (
    *("topk", "topk control", "topk search", "topk anchored", "jumprelu", "jumprelu control", "jumprelu nested gain"),
    *("relu nested gain", "relu search", "relu paper nested", "jumprelu paper"),
)


def loss_of(sae: SparseAutoencoder) -> float:
    """The held-out squared error."""
    return float((sae(STATES.held_out).reconstruction - STATES.held_out).square().sum(1).mean().detach())


def loss(weights: Path, family: str) -> float:
    """The held-out squared error of what `ranks_training.train` wrote."""
    sae = copy.deepcopy(calibrate(teacher(family), STATES))
    values = load_file(weights)
    if "threshold" in values and sae.threshold is None:
        sae.family = "jumprelu"
        sae.threshold = torch.nn.Parameter(values["threshold"])
    sae.load_state_dict(values)
    return loss_of(sae)


def said(folder: Path, count: int) -> list[str]:
    """What each of so many ranks said."""
    return [(folder / f"says.{rank}").read_text() for rank in range(count)]


@pytest.mark.parametrize(
    ("count", "data_groups", "names"),
    [
        pytest.param(3, 1, CASES, id="3"),
        pytest.param(4, 2, ("relu", "topk"), id="2x2"),
        pytest.param(2, 1, CASES + MORE, id="2", marks=pytest.mark.slow),
        pytest.param(4, 1, MORE, id="4", marks=pytest.mark.slow),
        pytest.param(4, 2, CASES + MORE, id="2x2 all", marks=pytest.mark.slow),
    ],
)
def test_ranks_take_the_steps_of_one_process_with_their_shares_alone(
    count: int, data_groups: int, names: tuple[str, ...], tmp_path: Path
) -> None:
    alone = json.loads(ranks_training.first_steps(str(tmp_path / "one"), names))
    rest = (str(tmp_path / "many"), names, data_groups)
    assert ranks_training.together(count, str(tmp_path / "says"), ranks_training.first_steps, *rest) == [0] * count
    one, many = load_file(tmp_path / "one"), load_file(tmp_path / "many")
    assert one.keys() == many.keys()
    for key, value in one.items():
        assert value.shape == many[key].shape, key
        tolerance = GRADIENT_TOLERANCE * (2 if "exp_avg_sq" in key else 1)  # a square
        if "/2/" in key:
            tolerance *= 10  # after a step of Adam
        if "jumprelu" in key:
            weight = f"{key[: key.rindex('/')]}/pass.weight"
            off = float((many[weight] - one[weight]).abs() / one[weight])
            assert off <= PRICE_TOLERANCE, key
            tolerance += 2 * off
        assert float((value - many[key]).abs().max()) <= tolerance * float(value.abs().max()), key
    ends = [json.loads(text) for text in said(tmp_path, count)]
    assert len({end["fingerprint"] for end in ends}) == 1, "the same bits on every rank"
    shares = count // data_groups
    for name in names:
        _, parameters, messages = alone["held"][name]
        assert not messages, "a single process sends nothing"
        replicated = 64  # b_dec, coefficients and steps, at most
        for end in ends:
            held, own, messages = end["held"][name]
            assert held == 16 * own, "a parameter, its gradient and two moments, four bytes each"
            assert own <= -(-48 // shares) / 47 * parameters + replicated
            if name == "topk":  # as docs/measured/scale-out.md calculates for larger ones
                rows = ranks_training.BATCH // data_groups
                curve = (held - scale_out.held(16, 48, shares)) // 16  # its coefficients
                assert 0 < curve <= 20
                wanted = scale_out.messages(16, 48, shares, data_groups, rows=rows, k=4, coefficients=curve)
                assert messages.pop("latents sum") == wanted.latents
                assert messages.pop("latents exchange") == wanted.exchanged
                assert sum(messages.values()) == wanted.data


@pytest.mark.parametrize(
    ("count", "data_groups", "names"),
    [
        pytest.param(3, 1, CASES, id="3"),
        pytest.param(4, 2, CASES + MORE, id="2x2", marks=pytest.mark.slow),
    ],
)
def test_shares_are_measured_matched_and_written_as_the_whole_is(
    count: int, data_groups: int, names: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "many").mkdir()
    alone = json.loads(ranks_training.measured(str(tmp_path / "one" / "sae"), names))
    rest = (str(tmp_path / "many" / "sae"), names, data_groups)
    assert ranks_training.together(count, str(tmp_path / "says"), ranks_training.measured, *rest) == [0] * count
    assert len(set(said(tmp_path, count))) == 1
    found = json.loads(said(tmp_path, 1)[0])
    for name, values in alone.items():
        assert found[name].pop("weights") == values.pop("weights"), name
        assert found[name] == pytest.approx(values, rel=1e-5, abs=1e-9), name
    assert {path.name for path in (tmp_path / "many").iterdir()} == {f"sae.{name}" for name in names}
    for name in names:
        for file in ("cfg.json", "sae_weights.safetensors"):
            one, many = (tmp_path / side / f"sae.{name}" / file for side in ("one", "many"))
            if file == "cfg.json":
                assert one.read_text() == many.read_text()
                continue
            written, wanted = load_file(many), load_file(one)
            assert written.keys() == wanted.keys()
            for key, value in wanted.items():
                torch.testing.assert_close(written[key], value, rtol=1e-5, atol=1e-7)


def test_a_lost_rank_ends_the_run_and_any_number_goes_on(tmp_path: Path) -> None:
    work, says = tmp_path / "work", str(tmp_path / "says")
    lost = ("topk", str(tmp_path / "two"), str(work), 17)
    assert ranks_training.together(2, says, ranks_training.train, *lost) == [2, 9]
    message = said(tmp_path, 1)[0]
    assert message.startswith("rank 0 of 2 lost contact with another rank")
    assert "start the same command again" in message
    assert not (tmp_path / "two").exists()
    rest = ("topk", str(tmp_path / "three"), str(work), 0, 24)  # ends itself there
    assert ranks_training.together(3, says, ranks_training.train, *rest) == [0, 0, 0]
    shutil.copytree(work, tmp_path / "copy")
    ranks_training.train("topk", str(tmp_path / "resumed"), str(work))
    ranks_training.train("topk", str(tmp_path / "one"), str(tmp_path / "other"))
    before = loss_of(calibrate(teacher("topk"), STATES))
    one = loss(tmp_path / "one", "topk")
    assert one < 0.97 * before
    assert loss(tmp_path / "resumed", "topk") == pytest.approx(one, rel=LOSS_TOLERANCE)
    (shares,) = (tmp_path / "copy").glob("*.shares")  # none but the last
    (shares / "shard-00002-model-00001-of-00001.safetensors").unlink()
    with pytest.raises(ValueError, match=r"a piece of .* is missing"):
        ranks_training.train("topk", str(tmp_path / "damaged"), str(tmp_path / "copy"))


@pytest.mark.slow
@pytest.mark.parametrize("place", ["backward", "written"])
def test_wherever_a_rank_is_lost_the_others_say_so(place: str, tmp_path: Path) -> None:
    rest = (place, str(tmp_path / "out"), str(tmp_path / "work"))
    assert ranks_training.together(3, str(tmp_path / "says"), ranks_training.losing, *rest) == [2, 2, 9]
    for rank, message in enumerate(said(tmp_path, 2)):
        assert message.startswith(f"rank {rank} of 3 lost contact with another rank")


@pytest.mark.slow
@pytest.mark.parametrize("family", ["jumprelu", "relu"])
def test_as_many_ranks_go_on_with_the_same_bits_and_one_hands_over_to_four(family: str, tmp_path: Path) -> None:
    says = str(tmp_path / "says")
    whole = (family, str(tmp_path / "whole"), str(tmp_path / "work"))
    assert ranks_training.together(2, says, ranks_training.train, *whole) == [0, 0]
    ends = set(said(tmp_path, 2))
    stopped = (family, str(tmp_path / "stopped"), str(tmp_path / "halves"), 0, 11)
    assert ranks_training.together(2, says, ranks_training.train, *stopped) == [0, 0]
    assert ranks_training.together(2, says, ranks_training.train, *stopped[:3]) == [0, 0]
    assert set(said(tmp_path, 2)) == ends
    ranks_training.train(family, str(tmp_path / "one"), str(tmp_path / "more"), 0, 11)
    four = (family, str(tmp_path / "four"), str(tmp_path / "more"), 0, 0, 2)
    assert ranks_training.together(4, says, ranks_training.train, *four) == [0] * 4
    assert len(set(said(tmp_path, 4))) == 1
    assert loss(tmp_path / "four", family) == pytest.approx(loss(tmp_path / "whole", family), rel=LOSS_TOLERANCE)


@pytest.mark.slow
def test_a_kl_stage_on_shares_is_that_of_one_process(tmp_path: Path) -> None:
    alone = json.loads(ranks_training.staged())
    assert ranks_training.together(2, str(tmp_path / "says"), ranks_training.staged) == [0, 0]
    first, second = said(tmp_path, 2)
    assert first == second
    assert json.loads(first)["error"] == pytest.approx(alone["error"], rel=LOSS_TOLERANCE)


@pytest.mark.slow
def test_an_upgrade_of_two_ranks_is_that_of_one(tmp_path: Path) -> None:
    alone = json.loads(ranks_training.upgraded(str(tmp_path / "one")))
    says = str(tmp_path / "says")
    assert ranks_training.together(2, says, ranks_training.upgraded, str(tmp_path / "two")) == [0, 0]
    first, second = said(tmp_path, 2)
    assert first == second
    found = json.loads(first)
    assert found.keys() == alone.keys()
    for name, column in alone["columns"].items():
        for metric, entry in column.items():
            wanted = pytest.approx(entry["value"], rel=2 * LOSS_TOLERANCE, abs=1e-3)
            assert found["columns"][name][metric]["value"] == wanted, (name, metric)
    assert len(found["continuity"]["latents"]["cosine"]) == 48
    assert found["certificates"]["initialised"]["status"] == alone["certificates"]["initialised"]["status"]
    assert {path.name for path in (tmp_path / "two").iterdir()} == {path.name for path in (tmp_path / "one").iterdir()}
    assert load_file(tmp_path / "two" / "sae" / "sae_weights.safetensors")["W_dec"].shape == (48, 16)


def test_what_cannot_be_shared_out_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from rsae.sae.division import divided
    from rsae.training.finetuning import finetune

    monkeypatch.setenv("WORLD_SIZE", "6")
    with pytest.raises(ValueError, match="6 processes cannot be 4 data groups"), ranks.joined("cpu", 4):
        pass
    monkeypatch.setattr(ranks.Group, "count", property(lambda group: 3 if "data" in group.asked else 1))
    with pytest.raises(ValueError, match="shared evenly between 3 data groups"):
        finetune(teacher("topk"), STATES, steps=1)
    monkeypatch.setattr(ranks.Group, "count", property(lambda group: 49 if "latents" in group.asked else 1))
    with pytest.raises(ValueError, match="48 latents in shares of 1 leave nothing for the last of 49"):
        divided(teacher("topk"))
    monkeypatch.setattr(ranks.Group, "count", property(lambda group: 5 if "latents" in group.asked else 1))
    with pytest.raises(ValueError, match="groups of 4 latents do not fit into shares of 10"):
        divided(ranks_training.case("groupmax control")[0])


def test_a_share_is_of_no_use_where_its_processes_have_parted() -> None:
    sae = teacher("topk")
    sae.latents = Latents(96, 0, 48)
    with pytest.raises(RuntimeError, match="a share of 48 of 96 latents"):
        sae(STATES.held_out[:4])


def test_the_calculation_of_the_docs() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "measured", "scale-out.md").read_text(encoding="utf-8")
    tables = scale_out.calculated()
    assert all(table in page for table in tables)
    for d_in, d_sae in scale_out.SIZES:
        seconds = [sum(scale_out.step(d_in, d_sae, count)) for count in (16, 64, 512, 4096)]
        assert all(after < 1.05 * before for before, after in pairwise(seconds)), "machines do not make a run longer"
        sent = [scale_out.messages(d_in, d_sae, n, rows=4096, k=32).sent(n, 1) for n in (2, 64, 4096)]
        assert max(sent) < 8 * 4096 * d_in + 4 * 4096 * 43 + 8 * d_in + 200, "whatever the ranks, and the latents"
        assert scale_out.held(d_in, d_sae, 64) < 16.1 / 64 * 2 * d_in * d_sae


def test_alone_everything_is_the_identity() -> None:
    value = torch.tensor([1.0, 2.0], requires_grad=True)
    assert (ranks.rank(), ranks.count()) == (0, 1)
    for group in (ranks.everyone(), ranks.data(), ranks.latents()):
        assert (group.rank, group.count) == (0, 1)
        assert torch.equal(group.mean(value), value)
        assert torch.equal(group.sum(value), value)
        assert torch.equal(group.exchange(value), value)
        assert group.summed(value) is group.shared(value) is value
    ranks.meet()
    with ranks.joined("cpu"), ranks.in_turn():
        assert ranks.count() == 1
