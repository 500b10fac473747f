"""The verifier: the errors of ``sigmoid``, ``silu`` and ``softplus`` of negative arguments, in their own format.

With ``x = n log(2) + r`` and ``V = exp(r)`` they are ``2^n`` times ``Q = V / D``, ``D = 1 + 2^n V``; times ``x Q``; and
times ``V + 2^n V^2 R(2^n V)``. Numbers p and q next to V and Q have half of the digits, so that products of two of them
are exact, and ``V - q D = ((p - q) - p g) + (V - p)(1 - g)`` with ``g = q 2^n``. The steps must be those of the law; r
is cut into parts, and few n are looked at alone. Standard library only.
"""

from collections.abc import Iterator
from fractions import Fraction
from math import ceil
from typing import Any

from .intervals import Interval, size
from .logarithms import distance
from .reading import need
from .reductions import relative
from .running import Order, Ranged, Running, Written
from .steps import FORMATS, alike
from .sums import Part, short_enough, worst

__all__ = ["QUOTIENTS", "quotient_domain", "quotient_errors"]

QUOTIENTS = ("sigmoid", "silu", "softplus")
LOWEST = {
    "sigmoid": {"float32": -104, "float64": -746},
    "silu": {"float32": -110, "float64": -756},
    "softplus": {"float32": -104, "float64": -746},
}
HIGHEST = {"sigmoid": Fraction(1, 2**10), "silu": Fraction(-1, 4), "softplus": Fraction(-5, 2)}
BEHIND = {"float32": 5, "float64": 16}
"""Digits behind the point of the short part of an argument."""
PARTS, ALONE = 160, 7
HORNER = Order(estrin=False, fused=False)
CONSTANTS = {"sigmoid": 10, "silu": 12, "softplus": 3}
"""How many constants follow those of the first polynomial, but for the second."""


def quotient_domain(kind: str, inner: str) -> tuple[Fraction, Fraction]:
    """Arguments between which a function is proved."""
    return Fraction(LOWEST[kind][inner]), HIGHEST[kind]


def quotient_errors(kind: str, steps: list[Any], result: Any, inner: str) -> tuple[Fraction, Fraction, Fraction]:
    """Bounds of the error before the last sum is rounded, in units in the last place and relative, and after it."""
    scales = [k for k, (op, _) in enumerate(steps) if op == "scale"]
    need(scales, "a function that is no quotient with its reduction")
    split = scales[0] if kind == "softplus" else len(steps) - 1
    found, more = (
        [name for _, names in part for name in names if isinstance(name, float)]
        for part in (steps[: split + 1], steps[split + 1 :])
    )
    need(len(found) > 5 + CONSTANTS[kind], "a function that is no quotient with its reduction")
    numbers, q = [found[0], found[3], found[4]], found[5 : len(found) - CONSTANTS[kind]][::-1]
    need(bool(more) == (kind == "softplus"), "a function that is no quotient with its reduction")
    written, end = law(kind, numbers, q, more[::-1], inner)
    need(alike(steps, written) and alike(result, end), "a function that is no quotient with its reduction")
    exact = [list(map(Fraction, each)) for each in (numbers, q, more[::-1])]
    return worst(parts(kind, exact, inner), FORMATS[inner][0])


def law(kind: str, numbers: list[float], q: list[float], more: list[float], inner: str) -> tuple[list[Any], int]:
    """The steps, and the number of the result."""
    out, digits = Written(), FORMATS[inner][0]

    def nearest(which: Any, places: int) -> int:
        magic = 1.5 * 2.0 ** (digits - 1 - places)
        return out.do("sub", out.do("add", which, magic), magic)

    n = nearest(out.do("mul", "x", numbers[0]), 0)
    h = out.do("sub", "x", out.do("mul", n, numbers[1]))
    low = out.do("mul", n, numbers[2])
    r = out.do("sub", h, low)
    c = out.do("sub", out.do("mul", out.do("mul", r, r), out.polynomial(q, r, HORNER)), low)
    s = out.do("add", h, c)
    v = out.do("add", s, 1.0)
    if kind == "softplus":
        lead = out.do("add", h, 1.0)
        lost = out.do("add", out.do("sub", 1.0, lead), h)
        e = out.do("scale", v, n)
        small = out.do("mul", out.do("mul", e, v), out.polynomial(more, e, HORNER))
        total = out.do("add", lead, out.do("add", out.do("add", c, small), lost))
        return out.steps, out.do("scale", total, n)
    near = nearest(s, digits // 2 - 1)
    p, rest = out.do("add", near, 1.0), out.do("add", out.do("sub", h, near), c)
    power = out.do("scale", 1.0, n)
    over = out.do("div", 1.0, out.do("add", out.do("mul", power, v), 1.0))
    short = nearest(out.do("mul", v, over), digits // 2 - 1)
    g = out.do("mul", short, power)
    left = out.do("sub", out.do("sub", p, short), out.do("mul", p, g))
    left = out.do("mul", out.do("add", left, out.do("mul", rest, out.do("sub", 1.0, g))), over)
    if kind == "silu":
        x = nearest("x", BEHIND[inner])
        left = out.do("add", out.do("mul", out.do("sub", "x", x), short), out.do("mul", "x", left))
        short = out.do("mul", x, short)
    return out.steps, out.do("scale", out.do("add", short, left), n)


class Place:
    """One part of r with one power of two, or all powers from one on: n is at most ``last``."""

    def __init__(self, run: Running, inner: str, r: Interval, last: int, all_below: bool) -> None:
        self.run, self.inner, self.last, self.all_below = run, inner, last, all_below
        one = run.one
        self.value = run.exp(r)
        self.power = 0 if all_below else one >> -last, one >> -last
        product = self.power[0] * self.value[0] // one, self.power[1] * self.value[1] // one + 1
        self.below = one + product[0], one + product[1]
        self.exact = run.math.div(self.value, self.below)
        # More than is lost where results are subnormal.
        self.tiny = (one >> -FORMATS[inner][1] - 8) + 1


def around(most: int, error: int = 0) -> Ranged:
    """Numbers up to a size."""
    return Ranged((-most, most), error)


def parts(kind: str, constants: list[list[Fraction]], inner: str) -> Iterator[Part]:
    """Errors and values, without a power of two, for parts of r and few powers of two."""
    ((inverse, first, rest), q, more), (digits, _, _) = constants, FORMATS[inner]
    run, half = Running(digits), Fraction(1, 2**digits)
    one, log2 = run.one, Fraction(run.math.log(2 * run.one)[0], run.one)
    near = Fraction(1, 2**240)  # more than log2 is off
    (bottom, top), places = quotient_domain(kind, inner), digits // 2 - 1
    most = int(-bottom * abs(inverse)) + 2
    short_enough(first, most, inner)
    # The argument's short part has half of the digits.
    need(-bottom * 2 ** BEHIND[inner] < 2 ** (places + 1) or kind != "silu", "a short part that is too long")
    off = -bottom * (abs(inverse - 1 / log2) + near + abs(inverse) * half) + half
    widest = Fraction(ceil((log2 + near) * (Fraction(1, 2) + off) * 2**80), 2**80)
    apart = most * (abs(log2 - first) + near)
    need(widest + apart < Fraction(3, 8), "a reduced argument that is too large")
    slip = run.math.exact(most * (abs(log2 - first - rest) + near))[1]
    gap = max(relative([Fraction(1), Fraction(1), *q], widest * (2 * k - 23) / 24, widest / 24) for k in range(24))
    missed = 0
    if kind == "softplus":
        reach = Fraction(run.exp(run.known(top, top).exact)[1], one)
        series = [Fraction((-1) ** (k + 1), k + 2) for k in range(60)]
        missed = run.math.exact(distance(more, series, reach) + reach ** len(series))[1] + 1
    low = run.rounded(run.around(most * abs(rest)).exact, 0)
    for k in range(PARTS):
        ends = widest * (2 * k - PARTS) / PARTS, widest * (2 * k + 2 - PARTS) / PARTS
        ball = run.known(*ends).exact
        h = run.known(ends[0] - apart, ends[1] + apart)
        r = Ranged(ball, run.sub(h, low).error + slip)
        c = run.sub(run.mul(run.mul(r, r), run.polynomial(q, r, HORNER)), low)
        wrong = c.error + slip + (run.math.exact(gap)[1] * run.exp(ball)[1] >> run.math.bits) + 2
        for n in range(-ALONE, 1):
            place = Place(run, inner, ball, n, n == -ALONE)
            c = c._replace(error=wrong + place.tiny)
            x = (bottom if place.all_below else n * log2 + ends[0] - near * ALONE), n * log2 + ends[1] + near * ALONE
            if x[0] >= top:  # none of the arguments
                continue
            if kind == "softplus":
                yield logarithm(place, h, c, more, missed)
                continue
            short, part = share(place, c)
            if kind == "sigmoid":
                yield part.error, place.exact, False
            else:
                yield product(place, short, part, (x[0], min(x[1], top)))


def logarithm(place: Place, h: Ranged, c: Ranged, more: list[Fraction], missed: int) -> Part:
    """``V + 2^n V^2 R``: the sum of 1 and h is kept whole, in two parts."""
    run, bits = place.run, place.run.math.bits
    s = run.add(h, c)
    v = run.rounded(place.value, s.error)
    most = run.exp(run.known(HIGHEST["softplus"], HIGHEST["softplus"]).exact)[1]
    e = min(place.below[0] - run.one, most), min(place.below[1] - run.one, most)
    scaled = Ranged(e, (place.power[1] * v.error >> bits) + 1 + place.tiny)
    small = run.mul(run.mul(scaled, v), run.polynomial(more, scaled, HORNER))
    wrong = small.error + (missed * e[1] * place.value[1] >> 2 * bits) + 1 + place.tiny
    lost = run.half_place(run.one + size(h.exact))
    last = run.add(run.add(c, Ranged(small.exact, wrong)), around(lost))
    value = place.value[0] + small.exact[0] - wrong, place.value[1] + small.exact[1] + wrong
    return last.error, value, False


def share(place: Place, c: Ranged) -> tuple[Interval, Ranged]:
    """Bounds of q, and ``(V - q D) / D`` with its error: what is left of Q."""
    run, one = place.run, place.run.one
    bits, unit = run.math.bits, one >> FORMATS[place.inner][0] // 2 - 1
    s = run.rounded((place.value[0] - one, place.value[1] - one), c.error)
    v = run.rounded(place.value, s.error)
    distance_p = unit // 2 + s.error + 1
    # h - (p - 1) is exact where h is a multiple of 2^-(digits + 1): where n is not 0.
    difference = 0 if place.last else run.half_place(distance_p + c.size)
    rest = run.rounded(around(distance_p).exact, c.error + difference)
    below = run.rounded(place.below, (place.power[1] * v.error >> bits) + 1 + place.tiny)
    over = run.div(Ranged((one, one), 0), below)
    near = run.mul(v, over)
    distance_q = unit // 2 + near.error + 1
    short = place.exact[0] - distance_q, place.exact[1] + distance_q
    g = short[0] * place.power[0] >> bits, (short[1] * place.power[1] >> bits) + 1
    # p and q are multiples of the unit below 2, so that they and their product have digits enough.
    need(short[0] > 0 and short[1] < 2 * one and place.value[1] + unit < 2 * one and g[1] < one, "too long to be short")
    need(8 * s.error < one, "what is rounded to few digits may be too large for that")
    whole = (distance_q * place.below[1] >> bits) + 1
    factor = run.rounded((one - g[1], one - g[0]), place.tiny)
    other = run.mul(rest, factor)
    first = run.rounded(around(whole + distance_p).exact, 2 * place.tiny)
    left = run.rounded(around(whole).exact, first.error + other.error + place.tiny)
    part = run.mul(left, over)
    return short, around(distance_q, part.error + place.tiny)


def product(place: Place, short: Interval, part: Ranged, x: tuple[Fraction, Fraction]) -> Part:
    """x times that: a product of short numbers, and a rest that is small beside it."""
    run, bits = place.run, place.run.math.bits
    # x is at most twice its short part, and that at most twice x: the difference is exact.
    need(abs(x[1]) >= Fraction(1, 4), "an argument too near to zero")
    off = (run.one >> BEHIND[place.inner] + 1) + 1
    far = run.known(*x)
    if not place.all_below:
        rest = run.add(run.mul(around(off), Ranged(short, 0)), run.mul(far, part))
        return rest.error + place.tiny, run.math.mul(far.exact, place.exact), False
    # Over x, for all that are larger: a rounding is at most so small a share of what it rounds.
    least, digits = max(far.exact[0], -far.exact[1]), FORMATS[place.inner][0]
    one_part = (off * short[1] // least) + 1
    other = part.size
    rounded = (one_part >> digits) + (other >> digits) + 2
    last = (one_part + other + rounded >> digits) + 1
    error = part.error + rounded + last + place.tiny
    return (error << bits) // place.exact[0] + 1, (run.one, run.one), True
