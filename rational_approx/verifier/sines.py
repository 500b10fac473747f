"""The verifier: the relative error of sine and cosine for every number x of a format, reduced by whole turns.

The steps must be those of the reduction: products of x with parts of ``a / (2 pi)``, of which integers are taken off
where they may be large; the nearest half-turn to their sum; ``f``, what is left, part by part; and ``f p(f^2)``, with
the sign of the half-turn. Of ``sin(a x + b)`` parts of ``b / (2 pi)`` stand before and behind the products in the sums.
How near zeros are to numbers of the format is found by continued fractions, or by counting. Standard library only.
"""

from fractions import Fraction
from math import ceil, factorial
from typing import Any

from .functions import Functions
from .intervals import Interval
from .lines import TURN_BITS, Wave
from .logarithms import distance
from .nearest import nearest_shifted
from .reading import need
from .schemes import evaluated
from .steps import FORMATS, alike

__all__ = ["least_wave", "sine_error"]

END = Fraction(2501, 10000)
"""f is never larger, in turns."""


class Code:
    """Parts of steps that are exactly those of the reduction, and where the value of p is."""

    def __init__(self, steps: list[Any], result: Any, ahead: bool, top: int) -> None:
        self.steps, self.top = steps, top
        self.wanted: list[Any] = []
        self.parts: list[Fraction] = []
        self.large: list[bool] = []
        kept: list[int] = []
        while len(self.wanted) < len(steps) and self.begins():
            kept.append(self.part())
        need(kept, "a function that is no sine with its reduction")
        every: list[Any] = kept
        first, last = self.constant(0, 0), self.constant(len(kept), 1)
        self.shift: list[Fraction] = []
        if first is not None:  # parts of a shift stand first and last
            moved = [first] if last is None else [first, last]
            self.shift, every = [Fraction(each) for each in moved], [first, *kept, *moved[1:]]
        total = every[0]
        for each in every[1:]:
            total = self.put("add", total, each)
        double = self.put("add", total, total)
        n = self.put("round", self.put("add", double, 0.5) if ahead else double)
        turn = self.put("mul", n, 0.5)
        f = self.put("sub", every[0], self.put("sub", turn, 0.25) if ahead else turn)
        for each in every[1:]:
            f = self.put("add", f, each)
        odd = self.put("sub", turn, self.put("round", turn))
        odds = self.put("mul", odd, odd)
        fused = any(op == "fma" for op, _ in steps)
        sign = self.put("fma", odds, -8.0, 1.0) if fused else self.put("sub", 1.0, self.put("mul", odds, 8.0))
        self.square = self.put("mul", f, f)
        need(
            alike(steps[: self.square + 1], self.wanted) and len(steps) > self.square + 3, "a function that is no sine"
        )
        self.value = len(steps) - 3
        end = [("mul", [self.value, f]), ("mul", [self.value + 1, sign])]
        need(alike([*steps[-2:], result], [*end, len(steps) - 1]), "a function that is no sine")

    def put(self, op: str, *names: Any) -> int:
        """A step that should come next."""
        self.wanted.append((op, list(names)))
        return len(self.wanted) - 1

    def constant(self, after: int, place: int) -> float | None:
        """The constant that is an operand of the sum so many steps later, or None."""
        at = len(self.wanted) + after
        op, names = self.steps[at] if at < len(self.steps) else ("", [])
        return names[place] if op == "add" and isinstance(names[place], float) else None

    def begins(self) -> bool:
        """Whether a product of x with a constant comes next."""
        op, names = self.steps[len(self.wanted)]
        return op == "mul" and names[0] == "x" and isinstance(names[1], float)

    def part(self) -> int:
        """A product with a part, and its remainder where it may be a quarter of a turn."""
        value = self.steps[len(self.wanted)][1][1]
        self.parts.append(Fraction(value))
        self.large.append(abs(self.parts[-1]) * 2**self.top >= Fraction(1, 4))
        t = self.put("mul", "x", value)
        return self.put("sub", t, self.put("round", t)) if self.large[-1] else t


def sine_error(steps: list[Any], result: Any, ahead: bool, wave: Wave, formats: tuple[str, str]) -> Fraction:
    """A bound of ``abs(E(x) / sin(a x + b) - 1)``, of the cosine if ``ahead``, for all numbers x of the first format
    but the one that is known to be a zero."""
    (digits, smallest, top), (inner, inner_smallest, _) = (FORMATS[name] for name in formats)
    code = Code(steps, result, ahead, top)
    least = min(map(abs, code.parts)) * Fraction(2) ** smallest
    need(least >= Fraction(2) ** (inner_smallest + inner), "a product with a part may be subnormal")
    need(bool(code.shift) == (wave.shift is not None), "a shift that is none of the formula")
    off = max(reduced(code, wave, (digits, e), inner, ahead) for e in range(smallest, top - digits + 1))
    share, reach = Fraction(1, 2**inner), END**2
    # sin(2 pi f) / f as a series in f^2, of which the last term bounds the rest; at the end it is above 3.99.
    pi = Fraction(Functions(400).pi[0], 1 << 400)
    terms = [
        Fraction(ceil((-1) ** k * (2 * pi) ** (2 * k + 1) * 2**300), factorial(2 * k + 1) << 300) for k in range(24)
    ]
    slack = abs(terms[-1]) * reach ** (len(terms) - 1) + Fraction(1, 2**250)
    p, _, rounding = evaluated(steps, code.square + 1, code.value, code.square, (reach, share, share, Fraction(0)))
    near = (distance(p, terms, reach) + slack + rounding) / Fraction(399, 100)
    total = (1 + near) * (1 + off * (1 + Fraction(1, 2**20))) * (1 + share) ** 2 - 1
    return Fraction(ceil(total * 2**100), 2**100)


def reduced(code: Code, wave: Wave, number: tuple[int, int], inner: int, ahead: bool) -> Fraction:
    """How far f is off, relative to itself, for all x that are ``m 2**e`` with an m of so many digits."""
    digits, e = number
    turns = exactly(wave.turns)
    share, unit, count = Fraction(1, 2**inner), Fraction(2) ** e, len(code.parts)
    most = unit * 2**digits
    # The parts are not quite the turns; the product with the last one may be rounded.
    lost = most * max(abs(sum(code.parts) - end) for end in turns)
    sizes, grains = [], []
    for k, (part, large) in enumerate(zip(code.parts, code.large)):
        n = abs(part.numerator)
        size, grain = abs(part) * most, Fraction(n & -n, part.denominator) * unit
        if size > grain * 2**inner:
            need(k == count - 1 and not large, "a product with a part is not exact")
            lost, grain = lost + share * size, Fraction(0)
        if large:
            # From half of the format's integers on numbers count as integers, and must be that.
            need(grain >= 1 or size < 2 ** (inner - 2), "a product is too large for its remainder")
            size = Fraction(0) if grain >= 1 else min(size, Fraction(1, 2))
        sizes.append(size)
        grains.append(grain)
    if wave.shift is not None:
        ends = exactly(wave.shift)
        whole = round(ends[0] - sum(code.shift))
        lost += max(abs(sum(code.shift) + whole - end) for end in ends)
        sizes = [abs(code.shift[0]), *sizes, *map(abs, code.shift[1:])]
        grains = [grain_of(code.shift[0]), *grains, *map(grain_of, code.shift[1:])]
        count = len(sizes)
    need((count + 1) * share * (sum(sizes) + 2) + lost < END - Fraction(1, 4), "the half-turn is not known well enough")
    own, short = Fraction(0), True
    for k in range(count):
        ahead_of = sum(sizes[k + 1 :]) + lost
        short = short and (END + ahead_of) <= 2**inner * min([Fraction(1, 4), *grains[: k + 1]])
        if not short:
            own, lost = own + share * (1 + count * share), lost + share * ahead_of * (1 + count * share)
    if not lost:
        return own
    small = most * max(map(abs, turns)) < Fraction(1, 8) and wave.shift is None
    if small:  # nothing is taken off: the sine's errors are in proportion to x, and the cosine is far from its zeros
        return own + lost / (Fraction(1, 8) if ahead else most * min(map(abs, turns)))
    zero = nearest(wave, digits, e, ahead)
    need(zero > 0, "a number of the format may be too near to a zero")
    return own + lost / zero


def exactly(ends: Interval) -> tuple[Fraction, Fraction]:
    """Bounds in turns."""
    return Fraction(ends[0], 1 << TURN_BITS), Fraction(ends[1], 1 << TURN_BITS)


def grain_of(part: Fraction) -> Fraction:
    """The largest power of two of which a number is a multiple; of zero 1 will do."""
    return Fraction(part.numerator & -part.numerator, part.denominator) if part else Fraction(1)


def least_wave(wave: Wave, ahead: bool, format: str) -> Fraction:
    """How small a sine or cosine that is not 0 can be at numbers of a format: ``sin(2 pi f)`` is 4 f at least."""
    digits, smallest, top = FORMATS[format]
    low, high = exactly(wave.turns)
    if wave.is_exact():
        grains = [grain_of(low) * Fraction(2) ** smallest, Fraction(1, 4)]
        return 4 * min(*grains, *([grain_of(exactly(wave.shift)[0])] if wave.shift else []))
    most, found = max(abs(low), abs(high)) * 2**digits, []
    for e in range(smallest, top - digits + 1):
        small = ahead and most * Fraction(2) ** e < Fraction(1, 8) and wave.shift is None
        found.append(Fraction(1, 8) if small else nearest(wave, digits, e, ahead))
    need(min(found) > 0, "a sine may be 0")
    return 4 * min(found)


def nearest(wave: Wave, digits: int, e: int, ahead: bool) -> Fraction:
    """A bound from below of the distance of ``m 2**e a + b``, in turns, from zeros, 0 < abs(m) < 2**digits."""
    if wave.shift is None:
        return nearest_zero(exactly(wave.turns), digits, e)
    low, high = (end + (ahead << TURN_BITS - 2) for end in wave.shift)  # a cosine is a quarter ahead
    return nearest_shifted(wave.turns, (low, high), TURN_BITS, digits, e, wave.zero)


def nearest_zero(turns: tuple[Fraction, Fraction], digits: int, e: int) -> Fraction:
    """A bound from below of the distance of ``m 2**e a / (2 pi)`` from quarters of a turn, 0 < m < 2**digits.

    With convergents P/Q of a number z, ``abs(m z - n) >= abs(Q z - P)`` for every m below the next denominator.
    """
    ends = sorted(abs(end) * 4 * Fraction(2) ** e for end in turns)
    if ends[1] * 2**digits <= Fraction(1, 2):
        return ends[0] / 4
    top, bottom = ends[0].numerator, ends[0].denominator
    a, b, c, d = 1, 0, 0, 1  # convergents a/b after c/d, before the first digit
    while bottom:
        digit = top // bottom
        a, b, c, d = a * digit + c, b * digit + d, a, b
        top, bottom = bottom, top - digit * bottom
        if b >= 2**digits:
            a, b = c, d
            break
    # What holds of one end holds of all between, up to their distance.
    return max(abs(b * ends[0] - a) - 2**digits * (ends[1] - ends[0]), Fraction(0)) / 4
