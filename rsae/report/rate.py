"""Why a run trained at the rate that it did, in words and as the rows of a table."""

from __future__ import annotations

from dataclasses import dataclass

from rsae.report.question import Question

__all__ = ["Rate", "rate"]


@dataclass(frozen=True)
class Rate:
    """The reason in words; every rate that was tried, the control's squared error there, and whether it is taken."""

    sentence: str
    tries: tuple[tuple[str, str, str], ...] = ()


def rate(question: Question) -> Rate | None:
    """Why the learning rate; None where the report does not say at what rates its arms were trained.

    The control alone is tuned, on vectors set apart, and every arm then trains at the rate that was best for it: what
    the upgraded SAE gains over the control is no reward of the choice.
    """
    recipe = question.recipes.get("control") or question.recipes.get("upgraded")
    if recipe is None:
        return None
    chosen, tuning = recipe.learning_rate, question.tuning
    if tuning is None:
        return Rate(f"All arms train at {chosen:.3g}, the rate that was asked for: none was tried.")
    usual, errors, teacher = chosen / tuning["factor"], tuning["errors"], tuning["teacher"]
    tries = tuple(
        (f"{float(factor) * usual:.3g}", f"{error:.4g}", "taken" if float(factor) == tuning["factor"] else "")
        for factor, error in errors.items()
    )
    best = errors[f"{tuning['factor']:g}"]
    against = "below" if best < teacher else "not below"
    said = (
        f"All arms train at {chosen:.3g}. It was chosen on the control alone, by its squared error on vectors set "
        f"apart, which is {best:.4g} there, {against} the teacher's {teacher:.4g}"
    )
    if len(tries) == 1:
        return Rate(f"{said}; it was measured for SAEs of this kind and width, so no other was tried.", tries)
    return Rate(f"{said}; each further rate is a quarter of the one before, until that no longer helps.", tries)
