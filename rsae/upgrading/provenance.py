"""What a report keeps besides its numbers: the question that was asked, and the curve that was learned."""

import platform
import shlex
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import torch

import rational_approx
from rsae.evaluation.comparison import Comparison
from rsae.report.question import Question
from rsae.storage.checkpoint import fingerprint
from rsae.upgrading.plan import Plan
from rsae.upgrading.tuning import Tuning

__all__ = ["question"]


def question(plan: Plan, tuning: Tuning | None, comparisons: tuple[Comparison, ...]) -> Question:
    """Everything needed to run a plan again, and the paired comparisons."""
    teacher, activation = plan.teacher, plan.arms["upgraded"].sae.activation
    return Question(
        sae=plan.source,
        family=teacher.family,
        d_in=teacher.d_in,
        d_sae=teacher.d_sae,
        k=teacher.k,
        weights_sha256=fingerprint(teacher.parameters()),
        metadata={k: v for k, v in teacher.metadata.items() if isinstance(v, str | int | float | bool | None)},
        hidden_states=dict(plan.states.question),
        statistics=dict(plan.states.statistics),
        steps=plan.steps,
        seed=plan.seeds[0],
        seeds=len(plan.seeds),
        support=plan.settings.support,
        inputs=tuple(activation.inputs) if activation is not None else (),
        refine=plan.settings.refine,
        target_l0=plan.target_l0,
        recipes={name: replace(arm.recipe, steps=plan.steps * arm.budget) for name, arm in plan.arms.items()},
        device=str(plan.device),
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "rational_sae": rational_approx.__version__,
            **{name: metadata.version(name) for name in ("numpy", "transformers", "scikit-learn")},
        },
        command=_command(),
        comparisons=comparisons,
        tuning=None if tuning is None else tuning.to_json(),
    )


def _command() -> str:
    """The command line of this process; ``python -m rsae`` is written as ``rsae``."""
    program = Path(sys.argv[0])
    name = "rsae" if program.name == "__main__.py" and program.parent.name == "rsae" else program.name
    return shlex.join([name, *sys.argv[1:]])
