"""The verifier: the relative error of sine and cosine for every number x of a format, reduced by whole turns.

The steps must be those of the reduction: products of x with parts of ``a / (2 pi)``, of which integers are taken off
where they may be large; the nearest half-turn to their sum; ``f``, what is left, part by part; and ``f p(f^2)``, with
the sign of the half-turn. How near zeros are to numbers of the format is found by continued fractions. Standard library
only.
"""

from fractions import Fraction
from math import ceil, factorial
from typing import Any

from .functions import Functions
from .intervals import Interval
from .logarithms import distance
from .reading import need
from .schemes import evaluated
from .steps import FORMATS, alike

__all__ = ["TURN_BITS", "nearest_zero", "sine_error"]

TURN_BITS = 700
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
        total = kept[0]
        for each in kept[1:]:
            total = self.put("add", total, each)
        double = self.put("add", total, total)
        n = self.put("round", self.put("add", double, 0.5) if ahead else double)
        turn = self.put("mul", n, 0.5)
        f = self.put("sub", kept[0], self.put("sub", turn, 0.25) if ahead else turn)
        for each in kept[1:]:
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


def sine_error(steps: list[Any], result: Any, ahead: bool, turns: Interval, formats: tuple[str, str]) -> Fraction:
    """A bound of ``abs(E(x) / sin(a x) - 1)``, of the cosine if ``ahead``, for all numbers x of the first format.

    ``turns`` are bounds of ``a / (2 pi)``, times ``2**TURN_BITS``.
    """
    (digits, smallest, top), (inner, inner_smallest, _) = (FORMATS[name] for name in formats)
    code = Code(steps, result, ahead, top)
    least = min(map(abs, code.parts)) * Fraction(2) ** smallest
    need(least >= Fraction(2) ** (inner_smallest + inner), "a product with a part may be subnormal")
    low, high = (Fraction(end, 1 << TURN_BITS) for end in turns)
    off = max(reduced(code, (low, high), (digits, e), inner, ahead) for e in range(smallest, top - digits + 1))
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


def reduced(code: Code, turns: tuple[Fraction, Fraction], number: tuple[int, int], inner: int, ahead: bool) -> Fraction:
    """How far f is off, relative to itself, for all x that are ``m 2**e`` with an m of so many digits."""
    digits, e = number
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
    need((count + 1) * share * (sum(sizes) + 2) + lost < END - Fraction(1, 4), "the half-turn is not known well enough")
    own, short = Fraction(0), True
    for k in range(count):
        ahead_of = sum(sizes[k + 1 :]) + lost
        short = short and (END + ahead_of) <= 2**inner * min([Fraction(1, 4), *grains[: k + 1]])
        if not short:
            own, lost = own + share * (1 + count * share), lost + share * ahead_of * (1 + count * share)
    if not lost:
        return own
    small = most * max(map(abs, turns)) < Fraction(1, 8)
    if small:  # nothing is taken off: the sine's errors are in proportion to x, and the cosine is far from its zeros
        return own + lost / (Fraction(1, 8) if ahead else most * min(map(abs, turns)))
    zero = nearest_zero(turns, digits, e)
    need(zero > 0, "a number of the format may be too near to a zero")
    return own + lost / zero


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
