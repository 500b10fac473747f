"""The verifier: sines and cosines of ``a x`` in code that calculates in the format of its results.

The steps must be those of the reduction: x in two halves (Veltkamp), the products of both with parts of
``a / (2 pi)``, of which integers are taken off, their sum for the nearest quarter of a turn, and f, what is left of it,
with what its sums lose, and what the sums of that lose. Then ``sin(2 pi f)`` and ``cos(2 pi f)``, each as an exact
number and a small one, and the products of both with 0, 1 or -1. What is exact is proved from digits and last places;
constants may be any. Standard library only.
"""

from contextlib import suppress
from fractions import Fraction
from math import factorial
from typing import Any, NamedTuple

from .functions import Functions
from .intervals import size
from .lines import Wave
from .reading import Failure, need
from .running import Order, Ranged, Running, Written
from .sines import exactly, grain_of, nearest_zero
from .steps import FORMATS, alike
from .sums import worst

__all__ = ["OwnWave"]

EIGHTH = Fraction(1025, 8192)
"""f is never larger, in turns."""
BESIDE = Fraction(1, 4096)
"""So much of f may lie in what its sums lose."""
PARTS = 80
TERMS = 16


class Codes(NamedTuple):
    """Constants of the steps: what x is multiplied with, parts and whether integers are taken off, the part whose
    product is rounded, 2 pi in two parts and in one, and both polynomials."""

    scale: Fraction
    parts: list[Fraction]
    whole: list[bool]
    last: Fraction
    turn: list[Fraction]
    sine: list[Fraction]
    cosine: list[Fraction]
    order: Order


class Reading(Written):
    """Writes the steps that code should have, with constants that are read where they should stand."""

    def __init__(self, given: list[Any]) -> None:
        super().__init__()
        self.given = given

    def constant(self) -> float:
        """The second operand of the step that comes next."""
        need(len(self.steps) < len(self.given), "a function that is no sine")
        names = self.given[len(self.steps)][1]
        need(len(names) == 2 and isinstance(names[1], float), "a function that is no sine")
        return float(names[1])

    def next_is(self, op: str, operand: Any) -> bool:
        """Whether the next step is a product of this operand with a constant."""
        if len(self.steps) >= len(self.given):
            return False
        found, names = self.given[len(self.steps)]
        return bool(found == op and len(names) == 2 and alike(names[0], operand) and isinstance(names[1], float))

    def floats_until(self, op: str, place: int, operand: Any) -> list[float]:
        """The constants of the steps from the next one to one with an operand in a place."""
        found: list[float] = []
        for name, names in self.given[len(self.steps) :]:
            if name == op and len(names) == 2 and alike(names[place], operand):
                return found
            found += [each for each in names if isinstance(each, float)]
        raise Failure("a function that is no sine")

    def halves(self, x: Any, digits: int) -> tuple[int, int]:
        """A number with its first ``digits - s`` digits, rounded to nearest, and the rest, ``s = (digits + 1) / 2``."""
        large = self.do("mul", x, float(2 ** ((digits + 1) // 2) + 1))
        first = self.do("sub", large, self.do("sub", large, x))
        return first, self.do("sub", x, first)

    def sums(self, first: Any, others: list[Any]) -> tuple[Any, list[Any]]:
        """A sum, and what each of its additions loses."""
        lost = []
        for each in others:
            total = self.do("add", first, each)
            lost.append(self.do("sub", each, self.do("sub", total, first)))
            first = total
        return first, lost


def read(steps: list[Any], result: Any, ahead: bool, digits: int) -> Codes:
    """The constants of steps that are those of a sine, or of a cosine if ``ahead``."""
    for estrin in (False, True):
        out = Reading(steps)
        order = Order(estrin, any(op == "fma" for op, _ in steps))
        with suppress(Failure):
            codes, end = written(out, ahead, digits, order)
            if alike(steps, out.steps) and alike(result, end):
                return codes
    raise Failure("a function that is no sine with its reduction")


def written(out: Reading, ahead: bool, digits: int, order: Order) -> tuple[Codes, int]:
    """The steps and the result."""
    x: Any = "x"
    scale = out.constant()
    if scale != 2 ** ((digits + 1) // 2) + 1:
        x = out.do("mul", "x", scale)
    else:
        scale = 1.0
    halves = out.halves(x, digits)
    parts, whole, left = list[float](), list[bool](), list[Any]()
    while out.next_is("mul", halves[0]):
        parts.append(out.constant())
        at = len(out.steps) + 1
        whole.append(at < len(out.given) and out.given[at][0] == "round")
        for half in halves:
            t = out.do("mul", half, parts[-1])
            left.append(out.do("sub", t, out.do("round", t)) if whole[-1] else t)
    need(parts, "a function that is no sine")
    rounded = [out.constant()] if out.next_is("mul", x) else []
    last = [out.do("mul", x, each) for each in rounded]
    total = left[0]
    for each in left[1:]:
        total = out.do("add", total, each)
    n = out.do("round", out.do("mul", total, 4.0))
    f, lost = out.sums(out.do("sub", left[0], out.do("mul", n, 0.25)), left[1:])
    less, least = out.sums(lost[0], lost[1:])
    first = f
    f = out.do("add", first, less)
    part = out.do("sub", f, first)
    less = out.do("add", out.do("sub", first, out.do("sub", f, part)), out.do("sub", less, part))
    for each in least + last:
        less = out.do("add", less, each)
    # sin(2 pi f), and cos(2 pi f)
    short, rest = out.halves(f, digits)
    rest = out.do("add", rest, less)
    turn = [out.constant()]
    base = out.do("mul", short, turn[0])
    turn.append(out.constant())
    d = out.do("mul", short, turn[1])
    turn.append(out.constant())
    d = out.do("add", d, out.do("mul", rest, turn[2]))
    r = out.do("add", base, d)
    z = out.do("mul", r, r)
    sine = order.coefficients(out.floats_until("add", 0, r))
    need(len(sine) > 1, "a polynomial of no degree")
    cube = out.do("mul", out.polynomial(sine, z, order), z)
    small_sine = out.plus(cube, r, d, order.fused)
    magic = 3.0 * 2.0 ** (digits - 2 - (digits - 1) // 2)
    near = out.do("sub", out.do("add", r, magic), magic)
    one_less = out.do("sub", 1.0, out.do("mul", out.do("mul", near, near), 0.5))
    e = out.do("add", out.do("sub", base, near), d)
    moved = out.do("mul", e, out.do("add", near, out.do("mul", e, 0.5)))
    cosine = order.coefficients(out.floats_until("sub", 1, moved))
    need(len(cosine) > 1, "a polynomial of no degree")
    small_cosine = out.do("sub", out.do("mul", out.polynomial(cosine, z, order), out.do("mul", z, z)), moved)
    # n quarters, and one more for a cosine: what is left of halves and of quarters of it beside integers
    n = out.do("add", n, 1.0) if ahead else n
    beside = []
    for share in (0.5, 0.25):
        turns = out.do("mul", n, share)
        beside.append(out.do("sub", turns, out.do("round", turns)))
    odd, again = (out.do("mul", each, each) for each in beside)  # 0 or 1/4; 0, 1/16, or 1/4 after half a turn
    even = out.do("sub", 1.0, out.do("mul", odd, 4.0))
    sign = out.do("sub", 1.0, out.do("mul", again, 8.0))
    of_cosine = out.do("mul", out.do("mul", beside[1], odd), 16.0)
    of_sine = out.do("mul", even, sign)
    exact = out.do("add", out.do("mul", base, of_sine), out.do("mul", one_less, of_cosine))
    small = out.do("add", out.do("mul", small_sine, of_sine), out.do("mul", small_cosine, of_cosine))
    every, of_turn, s, c = (list(map(Fraction, each)) for each in (parts, turn, sine, cosine))
    codes = Codes(Fraction(scale), every, whole, Fraction(rounded[0] if rounded else 0), of_turn, s, c, order)
    return codes, out.do("add", exact, small)


class OwnWave:
    """A function that is a sine, or a cosine if ``ahead``, with what is proved of it."""

    def __init__(self, steps: list[Any], result: Any, ahead: bool, wave: Wave, inner: str, flush: bool) -> None:
        self.digits, self.smallest, self.top = FORMATS[inner]
        need(wave.shift is None, "a sine of something other than a multiple of x")
        self.turns, self.exact = sorted(map(abs, exactly(wave.turns))), wave.is_exact()
        self.signed = exactly(wave.turns)
        self.codes = read(steps, result, ahead, self.digits)
        # What an operation with a subnormal result may lose.
        self.tiny = Fraction(2) ** (self.smallest + (self.digits - 1 if flush else 0))
        scale, behind = self.codes.scale, (self.digits + 1) // 2
        need(scale > 0 and grain_of(scale) == scale, "x is not scaled by a power of two")
        first = self.codes.turn[0]
        # The half of f has as many digits as are left.
        need(first and abs(first) < grain_of(first) * 2**behind, "the product with 2 pi is not exact")
        self.offs: dict[int, Fraction] = {}
        self.found: dict[Fraction, tuple[Fraction, Fraction, Fraction]] = {}

    def errors(self, first: int, last: int) -> tuple[Fraction, Fraction, Fraction]:
        """Bounds as those of `sums.sum_errors`, for ``2**first <= abs(x) < 2**(last + 1)``."""
        for e in range(first, last + 1):
            if e not in self.offs:
                self.offs[e] = self.reduced(e)
        off = max(self.offs[e] for e in range(first, last + 1))
        power = Fraction(1, 2 ** (self.digits + 20))
        while power < off:  # a few of them are enough
            power *= 2
        if power not in self.found:
            self.found[power] = worst(self.parts(power), self.digits)
        return self.found[power]

    def reduced(self, e: int) -> Fraction:
        """How far f is off, relative to itself, where ``2**e <= abs(x) < 2**(e + 1)``."""
        digits, tiny, codes = self.digits, self.tiny, self.codes
        share, behind, precise = Fraction(1, 2**digits), (digits + 1) // 2, 2**digits
        high, unit = Fraction(2) ** (e + 1), Fraction(2) ** (e + 1 - digits)
        need(unit * codes.scale >= tiny and unit >= tiny, "x may be too small for its halves")
        need(high * codes.scale * 2 ** (behind + 1) <= Fraction(2) ** self.top, "x may be too large for its halves")
        slip = high * max(abs(sum(codes.parts) * codes.scale - end) for end in self.signed_without_last())
        sizes, grains = [], []
        for part, whole in zip(codes.parts, codes.whole):
            factor = abs(part) * codes.scale
            for largest, grain in ((high, unit * 2**behind), (unit * 2 ** (behind - 1), unit)):
                most, place = factor * largest, grain_of(part) * codes.scale * grain
                need(most <= place * precise, "a product with a part is not exact")
                if place < tiny:
                    slip += tiny
                if whole:
                    # From a quarter of the format's integers on numbers are taken as integers, and must be that.
                    need(place >= 1 or 4 * most < precise, "a product is too large for its remainder")
                    most = Fraction(0) if place >= 1 else min(most, Fraction(1, 2))
                sizes.append(most)
                grains.append(place)
        beside = abs(codes.last) * codes.scale * high
        slip += share * beside + (tiny if beside else 0)
        every, count = sum(sizes), len(sizes)
        need(count < 4 * digits, "too many parts")
        need(share * (count + 1) * (every + 2) + slip + beside <= EIGHTH - Fraction(1, 8), "the quarter is not known")
        place = min(Fraction(1, 4), grains[0])
        need(EIGHTH + every - sizes[0] + slip + beside <= place * precise, "the first difference is not exact")
        # Bounds of the sums of what is lost, and of what those lose: in proportion to f, and besides.
        once, twice, off = [Fraction(0)] * 2, [Fraction(0)] * 2, [Fraction(0), slip]
        ahead = every - sizes[0]
        for size_, grain in zip(sizes[1:], grains[1:]):
            # All before are multiples of the last place of this one, or larger: what is lost is a number.
            need(size_ < place * precise, "what a sum loses is not exact")
            place, ahead = min(place, grain), ahead - size_
            if place < tiny:
                off[1] += 8 * tiny
            rest = (ahead + off[1] + beside) * (1 + 2 * share)
            if EIGHTH + rest > place * precise:
                once = [once[0] + share, once[1] + share * rest]
            twice = [a + share * b for a, b in zip(twice, once)]
            off = [a + share * b for a, b in zip(off, twice)]
        lost = [twice[0] + 2 * share, twice[1] + beside]
        off = [a + 3 * share * b for a, b in zip(off, lost)]
        zero = place if self.exact and not off[1] else self.nearest(e)
        need(zero > 0 and lost[0] + lost[1] / zero <= BESIDE, "a number may be too near to a zero")
        # Nothing is subnormal that counts: few operations follow, with numbers of more than this.
        need(zero >= tiny * 2 ** (2 * digits), "f may be too small")
        return 2 * off[0] + off[1] / zero * (1 + 2 * share) + 64 * tiny / zero

    def signed_without_last(self) -> list[Fraction]:
        """The turns that the parts should give, without that whose product is rounded."""
        return [end - self.codes.last * self.codes.scale for end in self.signed]

    def nearest(self, e: int) -> Fraction:
        """A bound from below of the distance from quarters of turns."""
        low, high = (end * Fraction(2) ** e for end in self.turns)
        plain = min(low, Fraction(1, 4) - 2 * high)
        return plain if plain > 0 else nearest_zero(self.signed, self.digits, e + 1 - self.digits)

    def parts(self, off: Fraction) -> Any:
        """The errors of a sine and a cosine and their values, for parts of f, which is off by so much of itself."""
        digits, codes = self.digits, self.codes
        run, half = Running(digits), Fraction(1, 2**digits)
        one, math = run.one, run.math
        pi = Fraction(math.pi[0], one), Fraction(math.pi[1], one)
        first, second, third = codes.turn
        apart = max(abs(2 * end - first - second) for end in pi), max(abs(2 * end - third) for end in pi)
        beside = Fraction(1, 2 ** (digits // 2)) + BESIDE * (1 + Fraction(1, 64))
        grid = Fraction(1, 2 ** ((digits - 1) // 2 + 1))
        series = [
            [Fraction((-1) ** (k + 1), factorial(2 * k + 3)) for k in range(TERMS)],
            [Fraction((-1) ** k, factorial(2 * k + 4)) for k in range(TERMS)],
        ]
        need(max(len(codes.sine), len(codes.cosine)) <= TERMS, "a polynomial of too high a degree")
        for k in range(PARTS):
            f = EIGHTH * k / PARTS, EIGHTH * (k + 1) / PARTS
            far = 2 * pi[1] * f[1]
            value = math.exact(2 * pi[0] * f[0])[0], math.exact(far)[1]
            gaps = [
                apart_from(p, terms, ((2 * pi[0] * f[0]) ** 2, far**2))
                for p, terms in zip((codes.sine, codes.cosine), series)
            ]
            short = run.known(f[0] - beside * f[1], f[1] + beside * f[1])
            rest = run.rounded(run.around(beside * f[1]).exact, 0)
            d = run.add(run.mul(short, run.known(second, second)), run.mul(rest, run.known(third, third)))
            missed = math.exact(f[1] * (1 + beside) * apart[0] + 2 * beside * f[1] * apart[1])[1]
            d = Ranged(d.exact, d.error + missed)
            r = run.rounded(value, d.error)
            z = run.mul(r, r)
            order = codes.order
            inner = run.mul(run.polynomial(codes.sine, z, order), z)
            cube = run.product(inner, r) if order.fused else run.mul(inner, r)
            small_sine = run.add(cube, d)
            own = off * far
            if k == 0:
                # In proportion to r: d of four roundings, and the cube, of which 12 are more than all; and their sum.
                size_d = (1 + beside) * (abs(second) + beside * abs(third)) / 6
                polynomial = run.polynomial(codes.sine, z, order)
                steep, slip = (Fraction(each, one) for each in (polynomial.size, polynomial.error))
                error = 2 * far**2 * slip + half * (5 * size_d + 13 * far**2 * steep) * (1 + 64 * half)
                error += (1 + beside) * (apart[0] + 2 * beside * apart[1]) / 6 + gaps[0] * far**2 + off
                yield math.exact(error)[1], (math.exact(1 - far**2 / 6)[0], one), True
            else:
                yield (
                    small_sine.error + math.exact(own + gaps[0] * far**3)[1],
                    (math.sin(value[0])[0], math.sin(value[1])[1]),
                    False,
                )
            wide = math.exact(grid)[1]
            near = Ranged((-wide - size(value) - r.error, size(value) + r.error + wide), 0)
            e = run.rounded((-wide - d.size - 2 * r.error, wide + d.size + 2 * r.error), 0)
            e = run.rounded(e.exact, e.error + d.error)
            mean = run.add(near, Ranged((e.exact[0] >> 1, -(-e.exact[1] >> 1)), (e.error >> 1) + 1))
            fourth = run.mul(run.polynomial(codes.cosine, z, order), run.mul(z, z))
            cosine = run.sub(fourth, run.mul(e, mean))
            yield cosine.error + math.exact(own + gaps[1] * far**4)[1], cosines(math, value), False


def cosines(math: Functions, ends: tuple[int, int]) -> tuple[int, int]:
    """Bounds of the cosine, which falls."""
    return math.sin((math.pi[0] >> 1) - ends[1])[0] - 2, math.sin((math.pi[1] + 1 >> 1) - ends[0])[1] + 2


def apart_from(p: list[Fraction], series: list[Fraction], z: tuple[Fraction, Fraction]) -> Fraction:
    """A bound of the distance of a polynomial from a series whose terms alternate and fall, on an interval below 1."""
    fine, bits = 200, 64
    gap = [b - a for a, b in zip([*p, *[Fraction(0)] * (len(series) - len(p))], series)]
    moved = [round(each * 2**fine) for each in gap]
    middle, width = round((z[0] + z[1]) / 2 * 2**bits), round((z[1] - z[0]) / 2 * 2**bits) + 2
    # Moved to the middle by synthetic division: all roundings are below 2^-200, and grow by less than 2^24.
    for j in range(len(moved) - 1):
        for i in range(len(moved) - 2, j - 1, -1):
            moved[i] += moved[i + 1] * middle >> bits
    total, power = 0, 1 << fine
    for each in moved:
        total, power = total + (abs(each) * power >> fine) + 1, (power * width >> bits) + 1
    return Fraction(total, 2**fine) + Fraction(1, 2**160) + abs(series[-1]) * z[1] ** (len(series) - 1)
