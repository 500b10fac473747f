"""The forms that may follow the target on a stretch, by how it behaves there: parity, zeros, powers, exponentials."""

from collections.abc import Iterator

import numpy as np

from rational_approx.kernels.crossings import parts
from rational_approx.kernels.forms import Exponential, Form, Rates, rates
from rational_approx.kernels.kernel import Function
from rational_approx.kernels.numbers import KINDS, largest_number
from rational_approx.kernels.stretches import Stretch
from rational_approx.kernels.tails import Tail

__all__ = ["exponentials_of", "forms_of"]

MOST = 5
"""So many exponentials are looked at for each end."""
LARGE = 87.0
"""Exponentials with larger exponents may be too large for float32."""
FLAT = 1e-6
"""An exponential with smaller exponents is constant, as far as floats tell."""
FAR = 64
"""Beyond, a function may follow a power of x."""
NEXT = 2.0**-100
"""A stretch with a smaller number begins beside zero; a target that is smaller vanishes there, if it does at all."""


def exponentials_of(whole: Stretch, left: Tail, right: Tail, function: Function) -> tuple[Exponential, ...]:
    """The exponentials that the distance of the target from its tails may follow."""
    known, found = whole.known, list[Exponential]()
    x = known.x.astype(np.float64)
    for fixed, side in ((left, -1), (right, 1)):
        own: list[Rates] = []
        line = np.zeros(x.size) if fixed is None else fixed[0](x)
        if known.format in KINDS and abs(line[0]) > largest_number(known.format):
            line = np.zeros(x.size)  # it grows beyond all numbers, itself as an exponential perhaps
        with np.errstate(all="ignore"):
            gap = np.abs(known.value - line)
            share = gap / np.maximum(np.abs(known.value), np.abs(line))
        inner = np.arange(whole.start, whole.stop)
        inner = inner[x[inner] * side > 0]
        for size in (share, gap):
            clear = inner[np.isfinite(size[inner]) & (size[inner] > 1e-9) & (gap[inner] > 1e-280)]
            clear = clear[np.abs(known.value[clear]) < 2.0**900] if clear.size else clear
            if clear.size < 12:
                continue
            outer = clear[0] if side < 0 else clear[-1]
            at = np.searchsorted(x, x[outer] * np.linspace(1, 0.6, 6)).clip(0, x.size - 1)
            own += rates(x[at], known.value[at] - line[at])
        found += [Exponential(each, function, whole.scheme) for each in list(dict.fromkeys(own))[:MOST]]
    return tuple(dict.fromkeys(found))


def forms_of(stretch: Stretch, exponentials: tuple[Exponential, ...]) -> Iterator[Form]:
    """The forms that are tried, those with exponentials last."""
    known = stretch.known
    x, value = known.x[stretch.start : stretch.stop], known.value[stretch.start : stretch.stop]
    inside = [zero for zero in known.zeros if x[0] <= zero <= x[-1]]
    if inside:
        if not inside[1:]:
            yield Form(1, "x - z", zero=parts(inside[0], stretch.inner))
        return
    holds_zero = bool(x[0] <= 0 <= x[-1])
    innermost = np.argmin(np.abs(x))
    if holds_zero:
        vanishes = bool((value[x == 0] == 0).all())
    else:  # it may begin beside zero
        vanishes = bool(np.abs(x[innermost]) < NEXT and np.abs(value[innermost]) < NEXT < np.abs(value).max())
    mirrored = known.value[::-1]
    odd = bool(np.array_equal(mirrored, -known.value))
    even = bool(np.array_equal(mirrored, known.value))
    lowest = _multiplicity(x, value) if vanishes else 0
    if (odd and lowest % 2) or (odd and not holds_zero):
        yield Form(lowest or 1, "x^2")
    if even and lowest % 2 == 0:
        yield Form(lowest, "x^2")
    yield Form(lowest, "x")
    if not holds_zero:
        if lowest != 1:
            yield Form(1, "x")
        power = _power(x, value)
        if power is not None:
            yield Form(power, "1/x")
    for e in exponentials:
        exponents = e.exponent(x[[0, -1]].astype(np.float64))
        if not FLAT < np.abs(exponents).max() < 5000:
            continue
        large = exponents.max() > LARGE
        for times in (lowest,) if vanishes else (0, 1):
            for decays in (0, 1):
                if e.rates[1:] == (0, 0):
                    yield Form(times, "e", e, decays)
                if decays:
                    yield Form(times, "x", e, decays)
            # e alone may be too large where f is not, or subnormal where x e is not.
            if large or (times and stretch.scheme.flush):
                yield Form(times, "x", e.halved(), 2)
                if e.rates[1:] == (0, 0):
                    yield Form(times, "e", e.halved(), 2)


def _multiplicity(x: np.ndarray, value: np.ndarray) -> int:
    """Of a zero at 0: by how many powers of two the values fall where x falls by one."""
    far = min(float(np.abs(x).max()), 2.0**-9)
    at = np.argmin(np.abs(np.abs(x) - far / 2)), np.argmin(np.abs(np.abs(x) - far))
    with np.errstate(all="ignore"):
        ratio, steps = (np.log2(np.abs(each[at[1]].astype(np.float64) / each[at[0]])) for each in (value, x))
        fall = float(ratio / steps)
    return max(1, min(3, round(fall))) if np.isfinite(fall) else 1


def _power(x: np.ndarray, value: np.ndarray) -> int | None:
    """The power of x that the values follow far out, where they do."""
    order = slice(None, None, -1) if x[-1] > 0 else slice(None)
    x, value = np.abs(x[order]).astype(np.float64), np.abs(value[order])
    near = int(np.argmax(x <= x[0] / 2))
    if x[0] < FAR or not near:
        return None
    with np.errstate(all="ignore"):
        slope = float(np.log(value[0] / value[near]) / np.log(x[0] / x[near]))
    return round(slope) if np.isfinite(slope) and abs(slope - round(slope)) < 0.05 and abs(slope) < 4 else None
