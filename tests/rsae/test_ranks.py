"""Several processes train what one does; a lost one ends the run, and any number goes on from its checkpoint."""

import copy
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rsae import ranks
from rsae.calibrate import calibrate
from rsae.checkpoint import Checkpoint
from rsae.sae import SparseAutoencoder
from tests.rsae import ranks_training
from tests.rsae.sparse_data import sparse_states, teacher

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
    assert ranks_training.together(2, str(tmp_path / "says"), *rest) == [0, 0]
    one, two = Checkpoint(tmp_path / "work1").load("sae"), Checkpoint(tmp_path / "work2").load("sae")
    assert one is not None
    assert two is not None
    assert one.values["step"] == two.values["step"] == 1
    moments = {name for name in one.tensors if name.startswith("exp_avg.")}  # a tenth of the gradient
    assert len(moments) >= 6
    for name in moments | {name for name in one.tensors if name.startswith("pass.")}:
        value = one.tensors[name]
        assert float((value - two.tensors[name]).abs().max()) <= GRADIENT_TOLERANCE * float(value.abs().max()), name


def test_a_lost_rank_ends_the_run_and_one_process_goes_on(tmp_path: Path) -> None:
    work = str(tmp_path / "work")
    codes = ranks_training.together(2, str(tmp_path / "says"), "topk", str(tmp_path / "two"), work, 17)
    assert codes == [2, 9]
    message = (tmp_path / "says.0").read_text()
    assert message.startswith("rank 0 of 2 lost contact with another rank")
    assert "start the same command again" in message
    assert not (tmp_path / "two").exists()
    ranks_training.train("topk", str(tmp_path / "resumed"), work)
    ranks_training.train("topk", str(tmp_path / "one"), str(tmp_path / "other"))
    before = loss_of(calibrate(teacher("topk"), STATES))
    one, resumed = loss(tmp_path / "one", "topk"), loss(tmp_path / "resumed", "topk")
    assert one < 0.97 * before
    assert resumed == pytest.approx(one, rel=LOSS_TOLERANCE)


def test_a_batch_that_cannot_be_shared_evenly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from rsae.finetune import finetune

    monkeypatch.setattr(ranks, "count", lambda: 3)
    with pytest.raises(ValueError, match="shared evenly between 3"):
        finetune(teacher("topk"), STATES, steps=1)


def test_alone_everything_is_the_identity() -> None:
    value = torch.tensor([1.0, 2.0])
    assert (ranks.rank(), ranks.count()) == (0, 1)
    assert torch.equal(ranks.mean(value), value)
    assert torch.equal(ranks.gathered(value), value)
    ranks.meet()
    with ranks.joined("cpu"):
        assert ranks.count() == 1
