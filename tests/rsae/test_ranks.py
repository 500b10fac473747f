"""Several processes train what one does; a lost one ends the run, and any number goes on from its checkpoint."""

import copy
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rsae import ranks
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.storage.checkpoint import Checkpoint
from rsae.upgrading.calibration import calibrate
from tests.rsae.material import ranks_training
from tests.rsae.material.sparse_data import sparse_states, teacher

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked, and talk through gloo")

# Sums of float32 in another order. Adam divides each gradient by its own size, so weights whose gradient is nearly
# zero may take another way; the loss does not.
GRADIENT_TOLERANCE = 1e-5
LOSS_TOLERANCE = 5e-3
STATES = sparse_states()


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


@pytest.mark.parametrize("family", ["topk", "jumprelu", "relu"])
def test_two_processes_average_to_the_gradient_of_one(family: str, tmp_path: Path) -> None:
    ranks_training.train(family, str(tmp_path / "one"), str(tmp_path / "work1"), 0, 2)
    rest = (family, str(tmp_path / "two"), str(tmp_path / "work2"), 0, 2)
    assert ranks_training.together(2, str(tmp_path / "says"), ranks_training.train, *rest) == [0, 0]
    one, two = Checkpoint(tmp_path / "work1").load("sae"), Checkpoint(tmp_path / "work2").load("sae")
    assert one is not None
    assert two is not None
    assert one.values["step"] == two.values["step"] == 1
    moments = {name for name in one.tensors if name.startswith("exp_avg.")}  # a tenth of the gradient
    assert len(moments) >= 6
    for name in moments | {name for name in one.tensors if name.startswith("pass.")}:
        value = one.tensors[name]
        assert float((value - two.tensors[name]).abs().max()) <= GRADIENT_TOLERANCE * float(value.abs().max()), name


def test_adam_shared_out_is_adam_on_any_number_of_ranks(tmp_path: Path) -> None:
    whole = ranks_training.parameters()
    groups = [{"params": whole[:2], "lr": 1e-2}, {"params": whole[2:], "lr": 1e-1}]
    adam = torch.optim.Adam(groups)
    out, entries = tmp_path / "state", sum(value.numel() for value in whole)
    for turn, count in enumerate((3, 2, 1)):  # each goes on from the state that the one before wrote
        said = str(tmp_path / str(count))
        work = (str(out), 4 * turn, 4 * turn + 4)
        if count > 1:
            assert ranks_training.together(count, said, ranks_training.adam, *work) == [0] * count
        else:
            Path(f"{said}.0").write_text(ranks_training.adam(*work))
        for step in range(4 * turn, 4 * turn + 4):
            for value, gradient in zip(whole, ranks_training.gradients(step), strict=True):
                value.grad = gradient
            adam.step()
        found = load_file(out)
        for i, value in enumerate(whole):
            torch.testing.assert_close(found[f"value.{i}"], value, rtol=1e-5, atol=1e-6)
            for name in ("exp_avg", "exp_avg_sq"):
                torch.testing.assert_close(found[f"{name}.{i}"], adam.state[value][name], rtol=1e-5, atol=1e-6)
        ends = [json.loads(Path(f"{said}.{rank}").read_text()) for rank in range(count)]
        assert len({end["fingerprint"] for end in ends}) == 1
        undivided = sum(value.numel() % count for value in whole)
        assert [end["held"] for end in ends] == [2 * ((entries - undivided) // count + undivided)] * count


def test_a_lost_rank_ends_the_run_and_any_number_goes_on(tmp_path: Path) -> None:
    work, says = tmp_path / "work", str(tmp_path / "says")
    lost = ("topk", str(tmp_path / "two"), str(work), 17)
    assert ranks_training.together(2, says, ranks_training.train, *lost) == [2, 9]
    message = (tmp_path / "says.0").read_text()
    assert message.startswith("rank 0 of 2 lost contact with another rank")
    assert "start the same command again" in message
    assert not (tmp_path / "two").exists()
    shutil.copytree(work, tmp_path / "copy")
    ranks_training.train("topk", str(tmp_path / "resumed"), str(work))
    rest = ("topk", str(tmp_path / "three"), str(tmp_path / "copy"))
    assert ranks_training.together(3, says, ranks_training.train, *rest) == [0, 0, 0]
    assert len({Path(f"{says}.{rank}").read_text() for rank in range(3)}) == 1
    ranks_training.train("topk", str(tmp_path / "one"), str(tmp_path / "other"))
    before = loss_of(calibrate(teacher("topk"), STATES))
    one = loss(tmp_path / "one", "topk")
    assert one < 0.97 * before
    assert loss(tmp_path / "resumed", "topk") == pytest.approx(one, rel=LOSS_TOLERANCE)
    assert loss(tmp_path / "three", "topk") == pytest.approx(one, rel=LOSS_TOLERANCE)


def test_a_batch_that_cannot_be_shared_evenly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from rsae.training.finetuning import finetune

    monkeypatch.setattr(ranks, "count", lambda: 3)
    with pytest.raises(ValueError, match="shared evenly between 3"):
        finetune(teacher("topk"), STATES, steps=1)


def test_alone_everything_is_the_identity() -> None:
    value = torch.tensor([1.0, 2.0])
    assert (ranks.rank(), ranks.count()) == (0, 1)
    assert torch.equal(ranks.mean(value), value)
    assert torch.equal(ranks.gathered(value), value)
    assert torch.equal(ranks.mean_part(value), value)
    ranks.fill(value)
    ranks.collect(value, into := torch.zeros(2))
    assert into.tolist() == value.tolist() == [1.0, 2.0]
    ranks.meet()
    with ranks.joined("cpu"):
        assert ranks.count() == 1
