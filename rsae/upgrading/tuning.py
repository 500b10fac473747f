"""The learning rate, tuned on the control alone and then used by every arm."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rsae.evaluation.errors import trained_error
from rsae.progress import Progress
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.storage.checkpoint import Checkpoint
from rsae.training.finetuning import finetune
from rsae.upgrading.arms import Arm
from rsae.upgrading.plan import Plan

__all__ = ["Tuning", "trained", "tune"]

STEP = 4.0
TRIES = 4


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

    @property
    def futile(self) -> bool:
        """Whether training on gains nothing: no rate beats the teacher, or only the lowest that was tried may."""
        return self.factor <= STEP ** (1 - TRIES) or not self.errors[self.factor] < self.teacher

    def to_json(self) -> dict[str, Any]:
        """What was tried, as plain values."""
        errors = {f"{factor:g}": error for factor, error in self.errors.items()}
        return {"factor": self.factor, "errors": errors, "teacher": self.teacher}


def trained(
    plan: Plan, arm: Arm, label: str, seed: int, progress: Callable[[Progress], None] | None, work: Checkpoint | None
) -> tuple[SparseAutoencoder, list[dict[str, float]]]:
    """An arm of a plan, trained once under a label, and the history of that."""
    history: list[dict[str, float]] = []
    done = finetune(
        arm.sae,
        plan.states,
        steps=plan.steps * arm.budget,
        seed=seed,
        recipe=arm.recipe,
        target_l0=plan.target_l0,
        device=plan.device,
        arm=label,
        progress=progress,
        curve=history,
        checkpoint=work,
    )
    return done, history


def tune(plan: Plan, progress: Callable[[Progress], None] | None = None, work: Checkpoint | None = None) -> Tuning:
    """Train the control at its rate, a quarter of it, a sixteenth, ... until that no longer lowers its error.

    Every try is a whole training: a short one would favour low rates, since a high rate first raises the error and
    lowers it at the end of its schedule. The judges are vectors that no try is trained on. A trusted rate, one that was
    measured for this width, is taken at once if the control is better than the teacher with it.
    """
    control = plan.arms[plan.tuned_on]
    teacher = trained_error(control.sae, plan.judges)
    errors: dict[float, float] = {}
    best: tuple[float, SparseAutoencoder, list[dict[str, float]]] | None = None
    for attempt in range(TRIES):
        factor = STEP**-attempt
        arm = control.slowed(factor)
        label = f"{plan.tuned_on} at {arm.recipe.learning_rate:.3g}"
        done, history = trained(plan, arm, label, plan.seeds[0], progress, work)
        errors[factor] = trained_error(done, plan.judges)
        if best is not None and errors[factor] >= errors[best[0]]:
            break
        best = factor, done, history
        if plan.trusted and attempt == 0 and errors[factor] < teacher:
            break
    assert best is not None
    return Tuning(best[0], errors, teacher, best[1], best[2])
