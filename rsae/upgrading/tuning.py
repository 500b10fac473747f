"""The learning rate, tuned on the control alone and then used by every arm."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from rsae.data.harvest import up_to
from rsae.data.hidden_states import HiddenStates
from rsae.evaluation.comparison import token_errors
from rsae.hosts.host import Host
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.storage.checkpoint import Checkpoint
from rsae.training.finetuning import Progress, finetune
from rsae.upgrading.arms import Arm

__all__ = ["Tuning", "set_apart", "tune"]

STEP = 4.0
TRIES = 4
JUDGES = 4
ENOUGH, MANY = 1024, 65_536


@dataclass(frozen=True)
class Tuning:
    """The factor on every arm's learning rate; ``errors`` has the control's mean squared error at each factor tried.

    ``teacher`` is the teacher's error on the same vectors. The control trained at the chosen factor is ``control``,
    with its ``history``.
    """

    factor: float
    errors: dict[float, float]
    teacher: float
    control: SparseAutoencoder
    history: list[dict[str, float]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """What was tried, as plain values."""
        errors = {f"{factor:g}": error for factor, error in self.errors.items()}
        return {"factor": self.factor, "errors": errors, "teacher": self.teacher}


def set_apart(hidden_states: HiddenStates) -> tuple[HiddenStates, Tensor]:
    """The last quarter of the held-out vectors (at most 65,536), the judges, and the hidden states without it.

    Rates and SAEs are judged on them [n, d_in], and nothing is measured for a report. They are held out because a
    teacher has as a rule seen the text that is trained on: there every change of it looks like a loss. From 1,024 on
    they are the calibration vectors, too: an arm fires more often on vectors that it has been trained on, and the more
    so the more it has learned of them, so that arms of equal L0 there differ in L0 elsewhere. A host that came with
    the hidden states keeps those contexts that lie before the judges.

    Raises
    ------
    ValueError
        for fewer than two held-out vectors.

    >>> states = HiddenStates(torch.zeros(9, 1), torch.zeros(9, 1), torch.arange(8.0)[:, None])
    >>> rest, judges = set_apart(states)
    >>> len(rest.held_out), judges.flatten().tolist()
    (6, [6.0, 7.0])
    """
    held_out, host = hidden_states.held_out, hidden_states.host
    if len(held_out) < 2:
        raise ValueError(
            f"{len(held_out)} held-out vectors are too few: some choose the learning rate and others measure the "
            "result; give more text, or a larger held_out"
        )
    kept = len(held_out) - min(max(1, len(held_out) // JUDGES), MANY)
    if host is not None:
        contexts = up_to(host.contexts, kept)
        host = Host(host.model, host.tokenizer, host.hook, contexts, outlier_norm=host.outlier_norm)
    judges = held_out[kept:].float()
    calibration = judges if len(judges) >= ENOUGH else hidden_states.calibration
    return replace(hidden_states, held_out=held_out[:kept], calibration=calibration, host=host), judges


def tune(
    control: Arm,
    hidden_states: HiddenStates,
    judges: Tensor,
    *,
    steps: int,
    seed: int,
    target_l0: float,
    trusted: bool,
    device: torch.device,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: Checkpoint | None = None,
) -> Tuning:
    """Train the control at its rate, a quarter of it, a sixteenth, ... until that no longer lowers its error.

    Every try is a whole training: a short one would favour low rates, since a high rate first raises the error and
    lowers it at the end of its schedule. The judges [n, d_in] are vectors that no try is trained on. A ``trusted``
    rate, one that was measured for this width, is taken at once if the control is better than the teacher with it.
    """
    teacher = float(token_errors(control.sae, judges).mean())
    errors: dict[float, float] = {}
    best: tuple[float, SparseAutoencoder, list[dict[str, float]]] | None = None
    for attempt in range(TRIES):
        factor = STEP**-attempt
        rate = control.recipe.learning_rate * factor
        history: list[dict[str, float]] = []
        done = finetune(
            control.sae,
            hidden_states,
            steps=steps,
            seed=seed,
            recipe=replace(control.recipe, learning_rate=rate),
            target_l0=target_l0,
            device=device,
            arm=f"control at {rate:.3g}",
            progress=progress,
            curve=history,
            checkpoint=checkpoint,
        )
        errors[factor] = float(token_errors(done, judges).mean())
        if best is not None and errors[factor] >= errors[best[0]]:
            break
        best = factor, done, history
        if trusted and attempt == 0 and errors[factor] < teacher:
            break
    assert best is not None
    return Tuning(best[0], errors, teacher, best[1], best[2])
