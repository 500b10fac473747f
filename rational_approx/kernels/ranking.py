"""Of a stretch: which forms may serve it, with the smallest type of each that an estimate says will do."""

from math import inf

import numpy as np

from rational_approx.kernels.candidates import forms_of
from rational_approx.kernels.estimate import estimate
from rational_approx.kernels.forms import Exponential, Form, counted
from rational_approx.kernels.kernel import BRANCH
from rational_approx.kernels.numbers import KINDS
from rational_approx.kernels.reductions import exponential_error
from rational_approx.kernels.scheme import Scheme
from rational_approx.kernels.stretches import Stretch, Type

__all__ = ["HOPELESS", "QUICK", "STEPS", "Ranked", "cheapest", "cost", "in_order", "ranked"]

QUICK, STEPS = 90, 4
"""At so many inputs of a stretch an error is estimated, in so many steps."""
HOPELESS = 30
"""An estimate that is so many times too large after two steps is given up."""
Ranked = dict[Form, int]
"""Of each form the first of the types that is estimated to suffice, or ``FAILS``."""
FAILS = 10**6


def ranked(
    stretch: Stretch, exponentials: tuple[Exponential, ...], room: float, least: Ranked, most: float
) -> tuple[Ranked, Ranked]:
    """The types that the forms need for a stretch, if that counts at most ``most``; ``least`` has its parts. And the
    types that they need at least, for longer stretches."""
    out: Ranked = {}
    needed: Ranked = {}
    types, scheme = stretch.types, stretch.scheme
    for form in forms_of(stretch, exponentials):
        if not _has_nodes(form, stretch):
            continue
        first = needed[form] = least.get(form, 0)
        if first == FAILS or cost(form, types[first], scheme) > most:
            continue
        v, g, weight = stretch.data(form, QUICK)
        if form.variable == "e" and _magnified(form, stretch.inner, v, g, weight) > room:
            needed[form] = FAILS
            continue
        for index in range(first, len(types)):
            needed[form] = index
            if sum(types[index]) + 1 > v.size or cost(form, types[index], scheme) > most:
                break
            if estimate(v, g, weight, *types[index], STEPS, HOPELESS * room).error <= 1.1 * room:
                out[form] = index
                break
        else:
            needed[form] = FAILS
    return out, needed


def _has_nodes(form: Form, stretch: Stretch) -> bool:
    """Whether numbers of the variable are known well enough to put nodes between them; they may be anything in powers.

    Where every input is tried they are.
    """
    known = stretch.known.format in KINDS or (form.variable in ("x", "x^2") and not form.zero)
    return known or stretch.scheme.order != "barycentric"


def _magnified(form: Form, inner: str, v: np.ndarray, g: np.ndarray, weight: np.ndarray) -> float:
    """What the error of the exponential makes of R(e), in units in the last place: much where it is a difference."""
    if form.exponential is None or v.size < 2:
        return 0.0
    with np.errstate(all="ignore"):
        steep = np.abs(np.gradient(g, v) * v) * weight
    return float(steep.max() * exponential_error(form.exponential.function, inner))


def cost(form: Form, type: Type, scheme: Scheme) -> int:
    """What a piece of a form counts, with a rational of a type."""
    return form.operations + counted(type[0], type[1], scheme) + BRANCH


def in_order(found: Ranked, whole: Stretch) -> list[Form]:
    """The forms that suffice, cheapest first."""
    return [form for _, form in sorted(_costs(found, whole), key=lambda entry: entry[0])]


def cheapest(found: Ranked, whole: Stretch) -> float:
    """What the cheapest of them counts; infinite where no form suffices."""
    return min((one for one, _ in _costs(found, whole)), default=inf)


def _costs(found: Ranked, whole: Stretch) -> list[tuple[float, Form]]:
    types, scheme = whole.types, whole.scheme
    return [(cost(form, types[index], scheme), form) for form, index in found.items() if index < FAILS]
