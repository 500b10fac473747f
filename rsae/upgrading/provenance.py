"""What a report keeps besides its numbers: the question that was asked, and the curve that was learned."""

import platform
import shlex
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import rational_approx
from rsae.activations.paper import PaperActivation
from rsae.activations.ratio import RationalActivation
from rsae.evaluation.comparison import Comparison
from rsae.report.question import Question
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.storage.checkpoint import fingerprint
from rsae.upgrading.plan import Plan
from rsae.upgrading.tuning import Tuning

__all__ = ["learned_curve", "question"]


def learned_curve(sae: SparseAutoencoder, initialised: SparseAutoencoder | None = None) -> dict[str, Any]:
    """What the activation became: rho at ratios u, for norm shares where it reads them.

    Of the paper's dense activation: codes at pre-activations, and as ``before`` those of the initialised SAE.
    """
    if isinstance(sae.activation, PaperActivation):
        return _paper_curve(sae.activation, initialised.activation if initialised is not None else None)
    if not isinstance(sae.activation, RationalActivation):
        return {}
    ratio = torch.linspace(0, 1, 101)
    device = sae.activation.numerator.device
    found: dict[str, Any] = {"ratio": ratio.tolist(), "before": [1.0] * len(ratio)}
    with torch.no_grad():
        if "norm" not in sae.activation.inputs:
            found["after"] = sae.activation.curve(ratio.to(device)).tolist()
        else:
            for share in (0.25, 0.5, 0.75):
                shares = torch.full_like(ratio, share).to(device)
                found[f"after, norm share {share}"] = sae.activation.curve(ratio.to(device), shares).tolist()
    return found


@torch.no_grad()
def _paper_curve(after: PaperActivation, before: object) -> dict[str, Any]:
    arms = {"before": before, "after": after}
    known = {name: arm for name, arm in arms.items() if isinstance(arm, PaperActivation)}
    widest = max(float(arm.input_scale) for arm in known.values())
    h = torch.linspace(-widest, widest, 201)
    curves = {name: arm(h.to(arm.numerator.device)).tolist() for name, arm in known.items()}
    return {"pre_activation": h.tolist(), **curves}


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
