"""Where a gain comes from: the arms of an upgrade as steps, each with one change more, at the same L0 and budget."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from rsae.evaluation.comparison import Comparison, Paired

__all__ = ["Attribution", "Step", "attribution", "curves_before"]

_CURVES = {
    "scale": "one scalar",
    "polynomial_in_h": "a polynomial in h",
    "fixed_denominator": "the ratio tau / h",
    "trainable_denominator": "the trainable denominator",
}
_STEPS = {"control": "more training", "threshold": "the threshold", **_CURVES, "refine_only": "the refinement"}
_WITHOUT_CURVE = ("teacher", "control_mse", "control", "threshold_mse", "threshold")
_FEWEST_SCALARS_FIRST = (
    *("scale", "fixed_denominator", "polynomial_in_h", "trainable_denominator"),
    *("fixed_denominator_norm", "trainable_denominator_norm", "polynomial_in_h_norm"),
)
_UPGRADED = ("unrefined", "refine_only", "upgraded_mse", "upgraded")
_LABELS = {"mse": "MSE", "delta_ce": "delta-CE", "kl": "KL divergence"}
_ADVICE = {
    "teacher": "Keep your teacher, do not train",
    "control": "Train on, without a curve",
    "threshold": "Set a threshold, without a curve",
    "refine_only": "Refine, without a curve",
    "control_mse": "Train on, without a curve and without the KL stage",
    "threshold_mse": "Set a threshold, without a curve and without the KL stage",
    "upgraded_mse": "Upgrade, without the KL stage",
    "trainable_denominator": "Upgrade, with a trainable denominator",
    "trainable_denominator_norm": "Upgrade, with a trainable denominator",
}


@dataclass(frozen=True)
class Step:
    """What one more change does: ``change`` is ``arm`` minus the step before it (``change.other``)."""

    arm: str
    what: str
    change: Comparison

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"arm": self.arm, "what": self.what, "value": self.change.base + self.change.difference} | (
            self.change.to_json()
        )


@dataclass(frozen=True)
class Attribution:
    """The steps from the teacher to the upgraded SAE in one metric, of which lower is better.

    ``best`` is the arm of the lowest value among those that keep the L0; ``advised`` the simplest that is not surely
    above it: a simpler arm is as good unless the 95% interval of the difference excludes zero.
    """

    metric: str
    teacher: float
    steps: tuple[Step, ...]
    best: str
    advised: str

    @property
    def sentence(self) -> str:
        """The steps in words; points are percent of the teacher's value.

        >>> def step(arm, what, other, difference, base, high):
        ...     return Step(arm, what, Comparison("mse", other, difference, base, difference - 0.1, high, "tokens"))
        >>> steps = step("control", "more training", "teacher", -3.2, 10.0, -3.0), step(
        ...     "upgraded", "the curve", "control", -0.1, 6.8, 0.1)
        >>> Attribution("mse", 10.0, steps, "upgraded", "control").sentence
        "MSE is 33.0% lower than the teacher's: more training takes off 32.0 points, the curve 1.0 (not told apart)."
        """
        lower = -100 * sum(step.change.difference for step in self.steps) / self.teacher
        places = 1 if abs(lower) >= 1 else 2  # of a gain of 0.05% one place would leave nothing, or twice as much
        said, last = "", ""
        for step in self.steps:
            points = round(100 * step.change.difference / self.teacher, places)
            does = "adds" if points > 0 else "takes off"
            said += f"{', ' if said else ''}{step.what} {'' if does == last else f'{does} '}{abs(points):.{places}f}"
            said += ("" if last else " points") + ("" if step.change.certain else " (not told apart)")
            last = does
        label, size = _LABELS[self.metric], f"{abs(lower):.{places}f}% {'lower' if lower >= 0 else 'higher'}"
        return f"{label} is {size} than the teacher's: {said}."

    @property
    def advice(self) -> str:
        """What to do, and which arms say so."""
        label, arm, best = _LABELS[self.metric], _named(self.advised), _named(self.best)
        do = _ADVICE.get(self.advised, "Upgrade")
        if self.best == self.advised:
            return f"{do}: no arm has a lower {label} than the {arm}."
        if do == "Upgrade" and self.advised != "upgraded":
            return f"{do}; but the simpler {arm} is not told apart from the best arm, the {best}."
        return f"{do}: the {arm}'s {label} is not told apart from the lowest, that of the {best}."

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        words = {"sentence": self.sentence, "advice": self.advice}
        return {**vars(self), "steps": [step.to_json() for step in self.steps], **words}


def _named(arm: str) -> str:
    """An arm as a sentence calls it, after "the"."""
    return {"upgraded": "upgraded SAE", "refine_only": "refinement alone"}.get(arm, arm.replace("_", " "))


def curves_before(curve: str) -> list[str]:
    """The curves on the way to one (all by the names of ablations), each with one change more than the one before.

    >>> curves_before("fixed_denominator_norm")
    ['scale', 'polynomial_in_h', 'fixed_denominator']
    """
    plain, names = curve.removesuffix("_norm"), list(_CURVES)
    return names[: names.index(plain) + (curve != plain)]


def attribution(paired: Paired, *, curve: str, comparable: Collection[str]) -> Attribution | None:
    """The steps that the columns of a comparison make up; None where the teacher's value is no positive number.

    ``curve`` is what an ablation is called that is the upgraded curve; ``comparable`` are the arms that keep the L0,
    the only ones that can be best. Columns that are no step are left out of the steps (``control_twice``, curves beside
    the way); those of the control's budget can be best.
    """
    teacher = paired.mean("teacher")
    if not 0 < teacher < math.inf:
        return None
    names = _chain(paired.values, curve)
    steps = tuple(
        Step(arm, _what(arm, before, curve), paired.difference(arm, before))
        for before, arm in zip(["teacher", *names], names, strict=False)
    )
    known = [n for n in _simplest_first(curve) if n == "teacher" or (n in paired.values and n in comparable)]
    best = min(known, key=paired.mean)
    advised = next(name for name in known if name == best or not paired.difference(best, name).high < 0)
    return Attribution(paired.metric, teacher, steps, best, advised)


def _simplest_first(curve: str) -> list[str]:
    """All arms: of curves those with fewer scalars are simpler, and those with more than the upgraded come last."""
    own = _FEWEST_SCALARS_FIRST.index(curve) + 1
    return [*_WITHOUT_CURVE, *_FEWEST_SCALARS_FIRST[:own], *_UPGRADED, *_FEWEST_SCALARS_FIRST[own:]]


def _chain(there: Collection[str], curve: str) -> list[str]:
    """The arms of which each has one change more than the one before it."""
    curves = curves_before(curve)
    if "upgraded_mse" in there:  # the KL stage is the last step; arms that have it without the curve are beside the way
        names = ["control_mse", "threshold_mse", *curves, "unrefined", "upgraded_mse", "upgraded"]
    elif "control_mse" in there:  # it is the second, and all further arms have it
        names = ["control_mse", "control", "threshold", "refine_only", "upgraded"]
    elif "refine_only" in there and "unrefined" not in there:  # unrefined curves are beside the way
        names = ["control", "threshold", "refine_only", "upgraded"]
    else:
        names = ["control", "threshold", *curves, "unrefined", "upgraded"]
    return [name for name in names if name in there]


def _what(arm: str, before: str, curve: str) -> str:
    """What an arm has that the one before it lacks."""
    if before == f"{arm}_mse":
        return "the KL stage"
    if before == "unrefined":
        return "the refinement"
    name, plain = arm.removesuffix("_mse"), curve.removesuffix("_norm")
    if name in ("unrefined", "upgraded"):
        if curve != plain:  # it reads the norm share, and no arm on the way to it does
            without = {"fixed_denominator": "the trainable denominator and ", plain: ""}.get(before)
            return "the curve" if without is None else f"{without}the norm share"
        name = plain
    beside = {"fixed_denominator": ("scale", "polynomial_in_h"), "trainable_denominator": ("fixed_denominator",)}
    return _STEPS[name] if before in beside.get(name, (before,)) else "the curve"
