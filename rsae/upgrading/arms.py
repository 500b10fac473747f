"""The arms of an upgrade: which SAEs are trained side by side, each with its recipe."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, cast

import torch

from rational_approx.arithmetic.domain import Domain
from rational_approx.rationals.rational import Rational
from rsae.activations.polynomial import PolynomialActivation
from rsae.activations.ratio import IDENTITIES, Inputs, RationalActivation
from rsae.evaluation.attribution import curves_before
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.refinement import first_steps
from rsae.training.recipe import Recipe, recipe_for

__all__ = ["ABLATIONS", "CURVES", "WATERFALL", "Arm", "arms_for", "curve_name", "curve_where_crowded"]

_SCALE = Rational((Fraction(1),), (Fraction(1),), Domain.of((0, 1)))
_BOTH: Inputs = ("ratio", "norm")
CURVES: Mapping[str, Callable[[], RationalActivation]] = {
    "scale": lambda: RationalActivation(_SCALE),
    "polynomial_in_h": PolynomialActivation,
    "polynomial_in_h_norm": lambda: PolynomialActivation(_BOTH),
    "fixed_denominator": lambda: RationalActivation(IDENTITIES["fixed"]),
    "fixed_denominator_norm": lambda: RationalActivation(IDENTITIES["fixed"], _BOTH),
    "trainable_denominator": lambda: RationalActivation(IDENTITIES["trainable"]),
    "trainable_denominator_norm": lambda: RationalActivation(IDENTITIES["trainable"], _BOTH),
}
"""The curves that are ablations, by name."""
WATERFALL = "waterfall"
ABLATIONS = (
    *("threshold", *CURVES, "unrefined", "refine_only", "control_twice", WATERFALL),
    *("control_mse", "threshold_mse", "upgraded_mse"),
)


@dataclass(frozen=True)
class Arm:
    """One column: the SAE at its start, how it is trained, and its budget in multiples of the steps."""

    sae: SparseAutoencoder
    recipe: Recipe
    budget: int = 1

    def slowed(self, factor: float) -> "Arm":
        """The same arm with its weights' learning rate times ``factor``."""
        return replace(self, recipe=replace(self.recipe, learning_rate=self.recipe.learning_rate * factor))

    def same(self, other: "Arm") -> bool:
        """Whether both are one training under two names, as the upgraded curve where it reads the ratio alone."""
        if (self.recipe, self.budget, repr(self.sae)) != (other.recipe, other.budget, repr(other.sae)):
            return False
        ours, theirs = self.sae.state_dict(), other.sae.state_dict()
        same = self.sae.refine == other.sae.refine and ours.keys() == theirs.keys()
        return same and all(torch.equal(value, theirs[name]) for name, value in ours.items())

    def unstaged(self) -> "Arm":
        """The same arm without the KL stage."""
        return replace(self, recipe=replace(self.recipe, kl_share=0.0))


def arms_for(
    teacher: SparseAutoencoder,
    initialised: SparseAutoencoder,
    *,
    refine: str = "none",
    ablations: Sequence[str] = (),
    rate_factor: float | None = None,
    **rates: Any,
) -> dict[str, Arm]:
    """Arms by name: upgraded, control, for ReLU threshold, with a refinement refine_only; then the ablations asked for.

    ``"threshold"``: identity curve on the support of the upgraded arm (the default for ReLU, and for no other family);
    ``"scale"``: one scalar in the place of the curve; ``"polynomial_in_h"``: a polynomial of degree 5 in h;
    ``"fixed_denominator"``: a cubic in ``tau / h``, which is a rational of h with the denominator ``h^2``;
    ``"trainable_denominator"``: a rational of ``tau / h`` of type (3, 2). Names that end in ``_norm`` read the norm
    share, too; one of the last four is the upgraded curve (`curve_name`), and that training is done once. None of these
    curves is refined: with ``refine``, ``"unrefined"`` is the upgraded curve without refinement, and
    ``"refine_only"`` (the default there) the refinement with the identity curve.
    ``"control_mse"`` and the like: an arm without the KL stage (the control's is there wherever arms have that stage);
    the curves above have none either. ``"control_twice"``: the control with twice the steps; ``"waterfall"``: every
    step from the control to the upgraded, and beside them the upgraded curve with a trainable denominator.

    ``rates`` are fields of `Recipe`, for every arm; ``rate_factor`` multiplies each arm's own learning rate.

    Raises
    ------
    ValueError
        for an ablation that does not exist or does not apply, or a factor that is not positive.
    """
    if rate_factor is not None and not (rates.get("learning_rate") is None and 0 < rate_factor < math.inf):
        raise ValueError(f"rate_factor must be a positive number, without a learning_rate, not {rate_factor!r}")
    if teacher.transcodes and (refine != "none" or any(name.endswith("_norm") for name in ablations)):
        raise ValueError("refinements and the norm share read what is left of the target, unknown to a transcoder")
    relu, exact = teacher.family == "relu", not initialised.dense
    sparsity = "threshold" if relu and exact else "l1"
    ours = recipe_for(initialised, sparsity=sparsity, **rates)
    identity = recipe_for(teacher, sparsity=sparsity, **rates)
    staged = bool(ours.kl_share)
    names = _checked(ablations, relu, exact, refine, staged)
    if WATERFALL in names:
        steps = _steps(initialised, relu, refine, staged)
        names = list(dict.fromkeys([*(name for name in names if name != WATERFALL), *steps]))
    arms = {"upgraded": Arm(_refined(initialised, refine), ours)}
    arms["control"] = Arm(teacher, recipe_for(teacher, sparsity="l1", **rates))
    if relu and exact:
        arms["threshold"] = Arm(teacher, identity)
    if "control_twice" in names:
        arms["control_twice"] = Arm(teacher, arms["control"].recipe, budget=2)
    if refine != "none":
        arms["refine_only"] = Arm(_refined(teacher, refine), identity)
    for name in names:
        if name in CURVES:
            other = copy.deepcopy(initialised)
            other.activation = CURVES[name]().to(teacher.W_enc.device)
            arms[name] = Arm(other, ours).unstaged()
        elif name == "unrefined":
            arms[name] = Arm(initialised, ours).unstaged()
    for name in ("control", "threshold", "upgraded"):
        if f"{name}_mse" in names or (name == "control" and staged):
            arms[f"{name}_mse"] = arms[name].unstaged()
    if WATERFALL in ablations:
        arms["upgraded"] = arms.pop("upgraded")  # the last step
    return {name: arm.slowed(rate_factor or 1.0) for name, arm in arms.items()}


def _checked(ablations: Sequence[str], relu: bool, exact: bool, refine: str, staged: bool) -> list[str]:
    """The ablations asked for, if all exist and apply."""
    for name in ablations:
        if name not in ABLATIONS:
            raise ValueError(f"ablations are {', '.join(ABLATIONS)}; {name!r} is none of them")
        if not exact and (name in CURVES or name == WATERFALL):
            raise ValueError(f"the ablation {name!r} needs support='exact'")
        if refine == "none" and name in ("refine_only", "unrefined"):
            raise ValueError(f"the ablation {name!r} needs a refinement, as refine='residual'")
        if not relu and name.startswith("threshold"):
            raise ValueError(f"the ablation {name!r} is for relu; a jumprelu or topk teacher has a threshold already")
        if not staged and name.endswith("_mse"):
            raise ValueError(f"the ablation {name!r} is an arm without its KL stage, and needs objective='mse+kl'")
    return list(ablations)


def _steps(initialised: SparseAutoencoder, relu: bool, refine: str, staged: bool) -> list[str]:
    """What lies between the control and the upgraded arm, one change after the other."""
    curve = curve_name(initialised)
    steps = curves_before(curve)
    if curve.startswith("fixed"):  # beside the way: whether a denominator that is trained, too, would do more
        steps.append(curve.replace("fixed", "trainable"))
    if relu and staged:
        steps.insert(0, "threshold_mse")
    if refine != "none":
        steps.append("unrefined")
    return [*steps, "upgraded_mse"] if staged else steps


def curve_name(initialised: SparseAutoencoder) -> str:
    """What an ablation is called that is the curve of this SAE, on an exact support."""
    gate = cast(RationalActivation, initialised.activation)
    denominator = "fixed" if gate.of_fixed_denominator else "trainable"
    return f"{denominator}_denominator{'_norm' if 'norm' in gate.inputs else ''}"


def curve_where_crowded(teacher: SparseAutoencoder, l0: float) -> float | None:
    """The rate of a JumpReLU's curve of the ratio alone, where codes are so many that this is better; else None.

    As measured (docs/measured/results.md): its thresholds lose by the norm share where codes exceed a quarter of the
    dimensions (jumprelu_0.06); above a half only a curve that moves slowly keeps up with them (jumprelu_0.02).
    """
    if teacher.family != "jumprelu" or l0 <= teacher.d_in / 4:
        return None
    if l0 > teacher.d_in / 2:
        return 1e-4
    return 3e-3 if teacher.d_in < 256 else 1e-3


def _refined(sae: SparseAutoencoder, refine: str) -> SparseAutoencoder:
    """A copy with another refinement."""
    if refine == "none":
        return sae
    changed = copy.deepcopy(sae)
    changed.refine = refine
    changed.residual_step = first_steps(refine)
    return changed.to(sae.W_enc.device)
