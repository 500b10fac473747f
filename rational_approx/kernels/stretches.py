"""A stretch: inputs that lie side by side, which one piece may serve, and what is known of them."""

from dataclasses import dataclass
from functools import cache
from math import inf

import numpy as np

from rational_approx.arithmetic.floats import FORMATS
from rational_approx.kernels.forms import Form, counted, in_powers
from rational_approx.kernels.numbers import INNER, neighbours
from rational_approx.kernels.scheme import Scheme
from rational_approx.kernels.truth import Truth

__all__ = ["Stretch", "Type"]

Type = tuple[int, int]
FLIPS = 4
"""A target that is too large, or 0, on more stretches than that gives no places to cut at."""
SIZES = {"float32": (9, 0), "float64": (16, 1)}
"""By the format in which rationals are calculated: most of their coefficients, and whether they may be large."""


@cache
def _types(inner: str, scheme: Scheme) -> tuple[Type, ...]:
    """Types of rationals, those with the fewest operations first."""
    # Beyond ten coefficients numerators and denominators have about the same degree, or there is none.
    most, wide = SIZES[inner]
    kinds = ((p, q) for p in range(most) for q in range(7 + wide) if p >= q - 1 and p + q <= most)
    few = [(p, q) for p, q in kinds if (p + q <= 9 and not wide) or q == 0 or (wide and p <= q + 2)]
    if scheme.order == "barycentric":
        few = [type for type in few if type[0] == type[1] or in_powers(type)]
    return tuple(sorted(few, key=lambda t: (counted(t[0], t[1], scheme), t[1], t[0])))


@dataclass(frozen=True)
class Stretch:
    """Inputs ``x[start:stop]`` of the truth that one piece may serve, in a scheme."""

    known: Truth
    scheme: Scheme
    start: int
    stop: int

    def part(self, span: tuple[int, int]) -> "Stretch":
        """Another one of the same truth, from where it starts to where it stops."""
        return Stretch(self.known, self.scheme, *span)

    @property
    def types(self) -> tuple[Type, ...]:
        """The types that are tried."""
        return _types(self.inner, self.scheme)

    @property
    def inner(self) -> str:
        """The format in which its code calculates."""
        return INNER[self.known.format]

    @property
    def upper(self) -> float:
        """Its last input."""
        return float(self.known.x[self.stop - 1])

    @property
    def prescribed(self) -> bool:
        """Whether it is that about zero, whose form is prescribed."""
        x = self.known.x
        return self.scheme.form is not None and bool(x[self.start] <= 0 <= x[self.stop - 1])

    def constant(self) -> float | None:
        """What stands for the target at all inputs of the stretch without an estimate: an infinity where it is larger
        than every number of the format, and 0 where it is smaller."""
        value = self.known.value[self.start : self.stop]
        _, smallest, top = FORMATS[self.known.format]
        if (np.abs(value) <= 2.0 ** (smallest - 2)).all():
            return 0.0
        return inf if (value >= 2.0**top).all() else -inf if (value <= -(2.0**top)).all() else None

    def ends_of_constants(self) -> list[int]:
        """Where the target becomes larger than every number of the format, or smaller, or comes back: some inputs to
        cut at."""
        _, smallest, top = FORMATS[self.known.format]
        size = np.abs(self.known.value[self.start : self.stop])
        found = list[int]()
        for flat in (size >= 2.0**top, size <= 2.0 ** (smallest - 2)):
            turns = np.flatnonzero(flat[1:] != flat[:-1]) + 1 + self.start
            # Whoever takes a stretch is tried at a number more at each end.
            found += [int(k) + side for k in turns for side in (-1, 0, 1)] if turns.size <= FLIPS else []
        return found

    def widened(self) -> "Stretch":
        """With the next number tried at each end, where others lie between: whatever lies there is for this one."""
        x, ends = self.known.x, [self.start, self.stop]
        for side, at in enumerate(ends):
            if at in self.known.gap_places:
                continue
            if 0 < at < x.size and neighbours(x[at - 1 : at], self.known.format)[1][0] < x[at]:
                ends[side] += 1 if side else -1
        return self.part((ends[0], ends[1]))

    def sample(self, count: int, variable: str) -> np.ndarray:
        """Indices of inputs: even among the inputs, dense near 0, and even in x, or in 1/x, the ends with them."""
        size = self.stop - self.start
        if size <= count:
            return np.arange(self.start, self.stop)
        x = self.known.x[self.start : self.stop]
        even = np.linspace(0, size - 1, count // 3)
        reach = (1 - np.cos(np.linspace(0, np.pi, 2 * count // 3))) / 2
        low, high = float(x[0]), float(x[-1])
        with np.errstate(divide="ignore", over="ignore"):
            spread = 1 / (1 / low + (1 / high - 1 / low) * reach) if variable == "1/x" else low + (high - low) * reach
        places = np.searchsorted(x, spread.astype(np.float32)).clip(0, size - 1)
        return np.unique(np.concatenate([even.astype(int), places, [0, size - 1]])) + self.start

    def seen(self, form: Form) -> np.ndarray:
        """All values of a form's variable, ascending."""
        with np.errstate(all="ignore"):
            v = form.variable_at(self.known.x[self.start : self.stop].astype(np.float64))
        return np.unique(v[np.isfinite(v)])

    def data(self, form: Form, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Variable, wanted values of R and weights, in units in the last place; arrays ``[points]``."""
        at = self.sample(count, form.variable)
        x, value = self.known.x[at].astype(np.float64), self.known.value[at]
        with np.errstate(all="ignore"):
            factor = form.factor_at(x)
            v, g, weight = form.variable_at(x), value / factor, np.abs(factor) / self.known.units(value)
        good = np.isfinite(g) & np.isfinite(weight) & (np.abs(value) > 2.0**-180) & (weight > 0)
        v, g, weight = v[good], g[good], weight[good]
        if not v.size:  # the target is zero at all of them
            return np.zeros(1), np.zeros(1), np.ones(1)
        _, first = np.unique(v, return_index=True)
        return v[first], g[first], weight[first]
