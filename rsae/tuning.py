"""The learning rate, tuned on the control alone and then used by every arm."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from rsae.arms import Arm
from rsae.checkpoint import Checkpoint
from rsae.comparison import token_errors
from rsae.finetune import Progress, finetune
from rsae.hidden_states import HiddenStates
from rsae.sae import SparseAutoencoder

__all__ = ["Tuning", "set_apart", "tune"]

STEP = 4.0
TRIES = 4
JUDGES = 16


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
    """The last sixteenth of the training vectors, on which rates and SAEs are judged, and the rest to train on.

    Training vectors stand in the order of the text, so that the two parts have other contexts.

    >>> states = HiddenStates(torch.arange(64.0)[:, None], torch.zeros(1, 1), torch.zeros(1, 1))
    >>> rest, judges = set_apart(states)
    >>> len(rest.train), judges.flatten().tolist()
    (60, [60.0, 61.0, 62.0, 63.0])
    """
    count = max(1, len(hidden_states.train) // JUDGES)
    judges = hidden_states.train[-count:]
    return replace(hidden_states, train=hidden_states.train[:-count]), judges.float()


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
