"""The arms of an upgrade: which SAEs are trained side by side, each with its recipe."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import torch
from torch import nn

from rational_approx.arithmetic.domain import Domain
from rational_approx.rationals.rational import Rational
from rsae.activations.ratio import RationalActivation
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.training.recipe import Recipe, recipe_for

__all__ = ["ABLATIONS", "Arm", "arms_for", "curve_where_crowded"]

ABLATIONS = (
    *("threshold", "scale", "polynomial", "control_twice", "refine_only"),
    *("control_mse", "threshold_mse", "upgraded_mse"),
)
_ONE = Fraction(1)
_SCALE = Rational((_ONE,), (_ONE,), Domain.of((0, 1)))
_CUBIC = Rational((_ONE, Fraction(0), Fraction(0), Fraction(0)), (_ONE,), Domain.of((0, 1)))


@dataclass(frozen=True)
class Arm:
    """One column: the SAE at its start, how it is trained, and its budget in multiples of the steps."""

    sae: SparseAutoencoder
    recipe: Recipe
    budget: int = 1

    def slowed(self, factor: float) -> "Arm":
        """The same arm with its weights' learning rate times ``factor``."""
        return replace(self, recipe=replace(self.recipe, learning_rate=self.recipe.learning_rate * factor))


def arms_for(
    teacher: SparseAutoencoder,
    initialised: SparseAutoencoder,
    *,
    refine: str = "none",
    ablations: Sequence[str] = (),
    rate_factor: float | None = None,
    **rates: Any,
) -> dict[str, Arm]:
    """Arms by name: upgraded, control, and for ReLU threshold; then the ablations asked for.

    ``"threshold"``: identity curve on the support of the upgraded arm (the default for ReLU, and for no other family);
    ``"scale"``: one scalar in the place of the curve; ``"polynomial"``: a cubic with no denominator;
    ``"control_twice"``: the control with twice the steps; ``"refine_only"``: the refinement with the identity curve;
    ``"control_mse"`` and the like: an arm without the KL stage (the control's is there wherever arms have that stage).

    ``rates`` are fields of `Recipe`, for every arm; ``rate_factor`` multiplies each arm's own learning rate.

    Raises
    ------
    ValueError
        for an ablation that does not exist or does not apply, or a factor that is not positive.
    """
    if rate_factor is not None and not (rates.get("learning_rate") is None and 0 < rate_factor < math.inf):
        raise ValueError(f"rate_factor must be a positive number, without a learning_rate, not {rate_factor!r}")
    for name in ablations:
        if name not in ABLATIONS:
            raise ValueError(f"ablations are {', '.join(ABLATIONS)}; {name!r} is none of them")
    relu, exact = teacher.family == "relu", not initialised.dense
    if "threshold" in ablations and not relu:
        raise ValueError("the ablation 'threshold' is for relu; a jumprelu or topk teacher has a threshold already")
    if "refine_only" in ablations and refine == "none":
        raise ValueError("the ablation 'refine_only' needs refine='gain' or 'residual'")
    sparsity = "threshold" if relu and exact else "l1"
    ours = recipe_for(initialised, sparsity=sparsity, **rates)
    arms = {"upgraded": Arm(_refined(initialised, refine), ours)}
    arms["control"] = Arm(teacher, recipe_for(teacher, sparsity="l1", **rates))
    if relu and exact:
        arms["threshold"] = Arm(teacher, recipe_for(teacher, sparsity="threshold", **rates))
    if "control_twice" in ablations:
        arms["control_twice"] = Arm(teacher, arms["control"].recipe, budget=2)
    if "refine_only" in ablations:
        arms["refine_only"] = Arm(_refined(teacher, refine), recipe_for(teacher, sparsity=sparsity, **rates))
    for name, curve in (("scale", _SCALE), ("polynomial", _CUBIC)):
        if name in ablations:
            if not exact or initialised.activation is None:
                raise ValueError(f"the ablation {name!r} needs support='exact'")
            other = copy.deepcopy(initialised)
            other.activation = RationalActivation(curve, initialised.activation.inputs).to(teacher.W_enc.device)
            arms[name] = Arm(_refined(other, refine), ours)
    for name in [name for name in ("control", "threshold", "upgraded") if name in arms and arms[name].recipe.kl_share]:
        if name == "control" or f"{name}_mse" in ablations:
            plain = replace(arms[name].recipe, kl_share=0.0)
            arms[f"{name}_mse"] = replace(arms[name], recipe=plain)
    if missing := [name for name in ablations if name.endswith("_mse") and name not in arms]:
        raise ValueError(f"the ablation {missing[0]!r} is an arm without its KL stage, and needs objective='mse+kl'")
    return {name: arm.slowed(rate_factor or 1.0) for name, arm in arms.items()}


def curve_where_crowded(teacher: SparseAutoencoder, l0: float) -> float | None:
    """The rate of a curve that reads the ratio alone, where codes are so many that this is better; else None.

    As measured (docs/measured/results.md): a JumpReLU's thresholds lose by the norm share where codes exceed a quarter
    of the dimensions (jumprelu_0.06); above a half only a curve that moves slowly keeps up with the plain threshold,
    that of a ReLU too (relu_0.25, jumprelu_0.02).
    """
    if teacher.family not in ("relu", "jumprelu"):
        return None
    if l0 > teacher.d_in / 2:
        return 3e-4
    if teacher.family == "jumprelu" and l0 > teacher.d_in / 4:
        return 3e-3 if teacher.d_in < 256 else 1e-3
    return None


def _refined(sae: SparseAutoencoder, refine: str) -> SparseAutoencoder:
    """A copy with another refinement."""
    if refine == "none":
        return sae
    changed = copy.deepcopy(sae)
    changed.refine = refine
    if refine == "residual":
        changed.residual_step = nn.Parameter(torch.zeros((), device=sae.W_enc.device))
    return changed
