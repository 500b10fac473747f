"""The verifier: code that is ``exp(u) (b + w)`` for negative ``u = a x`` or ``a x^2``, in the format of its results.

Products without an error: of numbers that have half of the digits each, or the rounded one and, fused, what it lost. u
is such an exact number and a small one; with ``u = n log(2) + r``, and r' next to r with half of the digits, ``exp(r)``
is ``1 + (r' + r'^2 / 2)``, which is exact, and small terms; so it is a lead with half of the digits and a rest, and the
last sum adds something small to the lead times b. ``b + w`` is compared with ``f exp(-u)``. Standard library only.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from math import ceil, frexp, isqrt
from typing import Any, NamedTuple

from .boxes import Inner, Judge, Outcome, Value, allowed_before, unit_at
from .intervals import Interval, size
from .jets import Arithmetic
from .reading import need
from .reductions import relative
from .running import Order, Ranged, Running, Written
from .steps import FORMATS, alike
from .sums import short_enough

__all__ = ["ExpTimesJudge", "Known", "known_product"]

LOWEST = {"float32": Fraction(-112), "float64": Fraction(-760)}
BEHIND = {"float32": (5, 8), "float64": (16, 20)}
"""Digits behind the point of the first part of x, for ``a x`` and for ``a x^2``."""
BELOW = {"float32": (2**7, 2**4), "float64": (2**10, 2**6)}
"""The size of x."""
PARTS, MOST_TERMS, SPARE = 56, 14, 176
TERMS = 23
"""Taylor coefficients of ``f exp(-u)`` before the last one: a product of what falls and what grows."""


class How(NamedTuple):
    """Of u: whether it is of a square, and its factor in two parts."""

    square: bool
    first: float
    rest: float


class Known(NamedTuple):
    """What such steps are: ``how`` u is ``(first + rest) x`` or ``first x^2``; the constants of the reduction and q; b,
    which is x where it is None, and the steps of ``b + w``, in which ``exp`` is that of u."""

    how: "How"
    numbers: tuple[float, ...]
    q: tuple[float, ...]
    order: Order
    base: float | None
    steps: list[Any]
    result: Any
    more: bool


# -- the operations --------------------------------------------------------------------------------------------------


def few_digits(out: Written, value: Any, places: int, digits: int) -> int:
    """The multiple of ``2^-places`` next to a value."""
    magic = 1.5 * 2.0 ** (digits - 1 - places)
    return out.do("sub", out.do("add", value, magic), magic)


def exponent(out: Written, how: How, inner: str, fused: bool) -> tuple[Any, Any]:
    """u as an exact number and a small one, which is None where nothing is left."""
    square, first, rest = how
    if not square and rest == 0:
        return ("x" if first == 1.0 else out.do("mul", "x", first)), None
    if fused:
        other: Any = out.do("mul", "x", first) if square else first
        high = out.do("mul", "x", other)
        low = out.do("fma", "x", other, out.do("mul", high, -1.0))
        return high, low if square else out.do("fma", "x", rest, low)
    short = few_digits(out, "x", BEHIND[inner][square], FORMATS[inner][0])
    left = out.do("sub", "x", short)
    if square:
        high = out.do("mul", out.do("mul", short, first), short)
        return high, out.do("mul", out.do("mul", left, first), out.do("add", short, "x"))
    high = out.do("mul", short, first)
    return high, out.do("add", out.do("mul", left, first), out.do("mul", "x", rest))


def reduction(
    out: Written, how: How, numbers: tuple[float, ...], q: list[float], form: tuple[str, Order]
) -> tuple[int, int, int]:
    """The steps n, lead and rest: ``exp(u) = 2^n (lead + rest)``."""
    inner, order = form
    digits, fused = FORMATS[inner][0], order.fused
    inverse, first, second = numbers
    high, low = exponent(out, how, inner, fused)
    magic = 3.0 * 2 ** (digits - 2) + ({24: 254.0, 53: 2046.0}[digits] if fused else 0.0)
    n = out.do("sub", out.plus(high, inverse, magic, fused), magic)
    h = out.minus(high, n, first, fused)

    def smaller(value: Any) -> Any:
        if low is None:
            return out.plus(n, second, value, fused)
        return out.do("add", value, out.plus(n, second, low, fused))

    r = smaller(h)
    near = few_digits(out, r, digits // 2, digits)
    left = smaller(out.do("sub", h, near))
    exact = out.plus(out.do("mul", near, near), 0.5, near, fused)
    cube = out.do("mul", out.do("mul", r, r), r)
    small = out.plus(cube, out.polynomial(q, r, order), left, fused)
    small = out.plus(left, out.do("mul", out.do("add", r, near), 0.5), small, fused)
    short = few_digits(out, out.do("add", exact, small), digits // 2 - 1, digits)
    lead = out.do("add", short, 1.0)
    return n, lead, out.do("add", out.do("sub", exact, short), small)


def last_steps(
    out: Written, ends: tuple[int, int, int], base: float | None, w: Any, form: tuple[str, bool, bool]
) -> int:
    """The steps of the product."""
    (n, lead, rest), (inner, square, fused) = ends, form
    if base == 1.0 and w is None:
        return out.do("scale", out.do("add", lead, rest), n)
    exact: Any = "x" if base is None else base
    more, whole = w, exact
    if base is None and not fused:
        exact = few_digits(out, "x", BEHIND[inner][square], FORMATS[inner][0])
        left = out.do("sub", "x", exact)
        more = left if w is None else out.do("add", w, left)
        whole = "x" if w is None else out.do("add", exact, more)
    elif w is not None:
        product = fused and isinstance(w, int) and out.steps[w][0] == "mul"
        whole = out.do("fma", *out.steps[w][1], exact) if product else out.do("add", w, exact)
    if more is None:
        small = out.do("mul", rest, whole)
    else:
        part = out.do("mul", lead, more)
        small = out.do("fma", rest, whole, part) if fused else out.do("add", part, out.do("mul", rest, whole))
    total = out.do("fma", lead, exact, small) if fused else out.do("add", out.do("mul", lead, exact), small)
    return out.do("scale", total, n)


# -- what steps are --------------------------------------------------------------------------------------------------


def known_product(steps: list[Any], result: Any, inner: str) -> Known | None:
    """Steps as such a product; None where they are none."""
    if len(steps) < 25 or not alike(result, len(steps) - 1) or steps[-1][0] != "scale":
        return None
    found = [name for _, names in steps for name in names if isinstance(name, float)]
    fused, digits = any(op == "fma" for op, _ in steps), FORMATS[inner][0]
    at, other = (0, 3) if fused else (2, 4)
    need(len(found) > 12, "too few constants")
    # How u is written, and how many constants stand before those of the reduction.
    ways = [
        (How(True, found[at], 0.0), 2 if fused else 4),
        (How(False, found[at], found[other]), 4 if fused else 5),
        (How(False, found[0], 0.0), 1),
        (How(False, 1.0, 0.0), 0),
    ]
    for how, count in ways:
        if not how[2] and abs(frexp(how[1])[0]) != 0.5:
            continue
        inverse, first, second = found[count], found[count + 3], found[count + 4]
        begin = count + 8 + (fused and not how[0] and not how[2])
        # The coefficients of q stand before 1/2, and before what makes a number with few digits.
        magic = 1.5 * 2.0 ** (digits - 1 - (digits // 2 - 1))
        after = range(begin, min(begin + MOST_TERMS, len(found) - 3))
        stop = next((k for k in after if found[k : k + 4] == [0.5, magic, magic, 1.0]), begin)
        for estrin in (False, True) if stop > begin + 1 else ():
            order = Order(estrin, fused)
            numbers = inverse, -first if fused else first, second
            q = order.coefficients(found[begin:stop])
            out = Written()
            ends = reduction(out, how, numbers, q, (inner, order))
            if alike(steps[: len(out.steps)], out.steps):
                return read_factor(steps, out, ends, (how, numbers, tuple(q), order, inner))
    return None


def read_factor(steps: list[Any], out: Written, ends: tuple[int, int, int], given: Any) -> Known | None:
    """The same behind the reduction."""
    how, numbers, q, order, inner = given
    (n, lead, rest), start = ends, len(out.steps)
    asked = alike(steps[start : start + 2], [("add", [lead, rest]), ("scale", [start, n])])
    begin = start + 2 if asked else start
    for base, w in last_operands(steps, lead):
        stop = max(begin, w + 1) if isinstance(w, int) else begin
        again = Written(steps[:stop])
        end = last_steps(again, ends, base, w, (inner, how[0], order.fused))
        if not alike(again.steps, steps) or end != len(steps) - 1:
            continue
        place: dict[int, Any] = {}
        factor: list[Any] = []
        if asked:
            factor = [("mul", ["x", "x"])] if how[0] else []
            factor.append(("mul", [0 if how[0] else "x", how[1]]))
            if how[2]:
                factor += [("mul", ["x", how[2]]), ("add", [0, 1])]
            factor.append(("exp", [len(factor) - 1]))
            place[start + 1] = len(factor) - 1
        for index in range(begin, stop):
            op, names = steps[index]
            if op not in ("add", "sub", "mul", "div", "fma"):
                return None
            if any(isinstance(name, int) and name not in place for name in names):
                return None
            factor.append((op, [place[name] if isinstance(name, int) else name for name in names]))
            place[index] = len(factor) - 1
        exact: Any = "x" if base is None else base
        if w is None:
            return Known(how, numbers, q, order, base, [], exact, False)
        if isinstance(w, int) and w not in place:
            return None
        factor.append(("add", [place[w] if isinstance(w, int) else w, exact]))
        return Known(how, numbers, q, order, base, factor, len(factor) - 1, True)
    return None


def last_operands(steps: list[Any], lead: int) -> Iterator[tuple[float | None, Any]]:
    """What b and w may be, by the last steps."""
    yield 1.0, None
    yield None, None
    bases = [name for _, names in steps[-4:] for name in names if isinstance(name, float)]
    for _, names in [step for step in steps if step[0] == "mul" and alike(step[1][0], lead)]:
        for base in (None, *bases):
            yield base, names[1]
            if isinstance(names[1], int) and steps[names[1]][0] == "add":
                yield base, steps[names[1]][1][0]


# -- the proof -------------------------------------------------------------------------------------------------------


class Proved(NamedTuple):
    """Parts of ``exp(r)``: its values, those of the lead, and the rest with its error; the relative error of ``exp(u)``
    as one number; and how far u may be from its exact part. Scaled."""

    parts: list[tuple[Interval, Interval, Ranged]]
    share: int
    lost: int


@cache
def proved(how: How, numbers: tuple[float, ...], q: tuple[float, ...], order: Order, inner: str, flush: bool) -> Proved:
    """The errors of the operations for all u from `LOWEST` to -1/4."""
    digits, lowest = FORMATS[inner][0], -LOWEST[inner]
    inverse, one_part, second = map(Fraction, numbers)
    second = -second
    run = running(inner, flush)
    one, log2 = run.one, Fraction(run.math.log(2 * run.one)[0], run.one)
    near_log2, half = Fraction(1, 2**240), Fraction(1, 2**digits)
    most = int(lowest * abs(inverse)) + 2
    if order.fused:
        need((one_part * 2**digits).denominator == 1, "a part of log(2) that is too long")
    else:
        short_enough(one_part, most, inner)
    lost = left_of_u(run, how, order.fused, inner)
    beyond = Fraction(lost.size, one)
    off = lowest * (abs(inverse - 1 / log2) + near_log2 + abs(inverse) * half) + half
    widest = (log2 + near_log2) * (Fraction(1, 2) + off) + beyond
    widest = Fraction(ceil(widest * 2**80), 2**80)
    # The exact part of u is a multiple of 2^-(digits + 1), since it is 1/4 at least, and so is n L1; their difference
    # is less than 1/2: it is exact. So is its difference from r'.
    apart = most * (abs(log2 - one_part) + near_log2) + beyond
    need(widest + apart < Fraction(7, 16), "a reduced argument that is too large")
    slip = run.math.exact(most * (abs(log2 - one_part - second) + near_log2))[1]
    p = [Fraction(1), Fraction(1), Fraction(1, 2), *map(Fraction, q)]
    missed = run.math.exact(max(relative(p, widest * (2 * k - 23) / 24, widest / 24) for k in range(24)))[1]
    product = run.around(most * abs(second))
    wide = lost.exact[0] + product.exact[0], lost.exact[1] + product.exact[1]
    own = 0 if order.fused else run.rounded(product.exact, 0).error
    low = run.rounded(wide, lost.error + own)
    grid, unit = one >> digits // 2, one >> digits // 2 - 1
    out, share = [], 0
    for k in range(PARTS):
        ends = widest * (2 * k - PARTS) / PARTS, widest * (2 * k + 2 - PARTS) / PARTS
        ball = run.known(*ends).exact
        h = run.known(ends[0] - apart, ends[1] + apart)
        r = Ranged(ball, run.add(h, low).error + slip)
        reach = grid // 2 + r.error + 1
        left = run.rounded((-reach, reach), low.error + slip)
        near = Ranged((ball[0] - reach, ball[1] + reach), 0)
        # Below 0.41 r' + r'^2 / 2 is below 1/2, and has digits enough.
        need(near.size * 100 < 41 * one, "a short number that is too long")
        cube = run.mul(run.mul(r, r), r)
        more = run.add(run.mul(cube, run.polynomial(list(map(Fraction, q)), r, order)), left)
        mean = run.add(r, near)
        mean = Ranged((mean.exact[0] >> 1, -(-mean.exact[1] >> 1)), (mean.error >> 1) + 1 + run.tiny)
        small = run.add(run.mul(left, mean), more)
        value = run.exp(ball)
        error = small.error + (missed * value[1] >> run.math.bits) + 1
        s = run.rounded((value[0] - one, value[1] - one), error)
        reach = unit // 2 + s.error + 1
        over = run.rounded((-reach, reach), error)
        out.append((value, (value[0] - reach, value[1] + reach), over))
        need(value[1] + reach < 2 * one, "a lead that is too long")
        whole = run.rounded(value, over.error)
        share = max(share, (whole.error << run.math.bits) // value[0] + 1)
    return Proved(out, share, lost.size)


def running(inner: str, flush: bool) -> Running:
    """Operations that may lose what is subnormal, where that is replaced by zero all of it. What is exact consists of
    multiples of last places of numbers that are not small, and so no part of it is subnormal."""
    digits, smallest, _ = FORMATS[inner]
    return Running(digits, Fraction(2) ** (smallest + digits - 1 if flush else smallest))


def left_of_u(run: Running, how: How, fused: bool, inner: str) -> Ranged:
    """What u has besides its exact part, with its error."""
    square, first, rest = how.square, Fraction(how.first), Fraction(how.rest)
    lowest, digits = -LOWEST[inner], FORMATS[inner][0]
    need(first + rest < 0 or not square, "a square with a positive factor")
    power = abs(first.numerator).bit_count() == 1 and abs(first.denominator).bit_count() == 1
    need(power or (rest != 0 and not square), "a factor that is no power of two")
    need(not square or rest == 0, "a square with a factor in two parts")
    if not square and rest == 0:
        return Ranged((0, 0), 0)
    ratio = lowest / abs(first + rest)
    farthest = Fraction(BELOW[inner][square])
    need(ratio < (farthest**2 if square else farthest), "an argument that is too large")
    farthest = Fraction(isqrt(int(ratio * 2**40)) + 1, 2**20) if square else ratio
    if fused:
        # The rounded product is at most twice what is exact; what it lost is a number of the format, or too small.
        lost = lowest * 2 / 2**digits
        if square:
            return Ranged(run.around(lost).exact, 2 * run.tiny)
        out = run.rounded(run.around(lost + farthest * abs(rest)).exact, 2 * run.tiny)
        return out
    places = BEHIND[inner][square]
    count = BELOW[inner][square] * 2**places  # multiples of 2^-places up to there
    need(count <= 2 ** (digits // 2), "a first part of x with too many digits")
    left = run.around(Fraction(1, 2 ** (places + 1)))
    factor = run.known(abs(first), abs(first))
    if square:
        x = run.around(farthest)
        total = run.add(Ranged((x.exact[0] + left.exact[0], x.exact[1] + left.exact[1]), 0), x)
        return run.mul(run.product(left, factor), total)
    odd = abs(first.numerator) // (first.numerator & -first.numerator)
    need(odd < 2 ** (digits // 2) and abs(first) < 8, "a factor with too many digits")
    return run.add(run.mul(left, factor), run.mul(run.around(farthest), run.known(rest, rest)))


class Factor(Judge):
    """``b + w`` beside ``f exp(-u)``."""

    allowed = 1

    def step(self, op: str, given: list[Value], x: Interval, least: int) -> Value:
        """As that of others; the error of ``exp(u)`` is known for the exact u, which no step has."""
        if op == "exp":
            given = [given[0]._replace(error=0, besides=0)]
        return super().step(op, given, x, least)

    def hopeless(self, value: Interval, rest: Interval) -> bool:
        """Whether so large a last coefficient of the target is more than the error that is allowed."""
        return size(rest) << self.inner.digits > self.allowed * size(value)


class ExpTimesJudge(Judge):
    """A piece of this kind."""

    def __init__(
        self, math: Arithmetic, code: tuple[list[Any], Any], tree: tuple, inner: tuple[str, Inner], known: Known
    ) -> None:
        super().__init__(math, code, tree, {}, inner[1])
        # For results as small as any, and for what they are multiplied with, these are digits enough.
        self.near = math = Arithmetic(SPARE - inner[1].smallest, math.deadline)
        self.known, self.name = known, inner[0]
        how = known.how
        self.proved = proved(how, known.numbers, known.q, known.order, self.name, inner[1].flush)
        self.rate = Fraction(how.first) + Fraction(how.rest)
        if known.base is not None and not known.order.fused:
            top = Fraction(known.base).numerator
            need(top, "a base that is zero")
            need(abs(top // (top & -top)) < 2 ** (inner[1].digits // 2), "a base with too many digits")
        x: tuple = ("x",)
        u = ("*", ("number", self.rate), ("^", x, ("number", Fraction(2))) if known.how.square else x)
        ends = (math.exact(end)[0] for end in (LOWEST[self.name], Fraction(-1, 4)))
        calls = {"exp": (*ends, (self.proved.share << math.bits >> Running(1).math.bits) + 1)}
        tree = ("*", tree, ("exp", ("neg", u)))
        self.factor = Factor(math, (known.steps, known.result), tree, calls, inner[1])

    def outcome(self, box: tuple[Fraction, Fraction, bool], format: Any, ulp: Fraction, last: Fraction) -> Outcome:
        """Whether the error on a box is so small."""
        lower, upper, near = box
        need(not near and lower * upper > 0, "a product near zero")
        math, run = self.near, running(self.name, self.inner.flush)
        lost = Fraction(self.proved.lost, run.one)
        ends = [self.rate * (x * x if self.known.how.square else x) for x in (lower, upper)]
        inside = LOWEST[self.name] < min(ends) - lost and max(ends) + lost < Fraction(-1, 4)
        need(inside, "an argument beyond what is proved")
        need(max(abs(lower), abs(upper)) < BELOW[self.name][self.known.how.square], "an argument that is too large")
        x = math.exact(lower)[0], math.exact(upper)[1]
        self.factor.allowed = ceil(ulp)
        found = self.factor.measured((x, False, False), TERMS, self.inner.smallest)
        value, off = found.value, found.absolute
        shift = math.bits - run.math.bits
        whole = value[0] >> shift, -(-value[1] >> shift)
        least = max(whole[0], -whole[1])
        # So neither a product nor the sum is subnormal before it is scaled, nor the first of two scalings.
        need(least > run.one >> 40 and size(whole) < run.one << 60, "a factor that is too small, or too large")
        error = self.error(run, run.known(lower, upper).exact, whole, (off >> shift) + 1)
        share = (error << run.math.bits) // least + 1
        allowed, digits = allowed_before(ulp, last), self.inner.digits
        (low, high), room = math.evaluate(self.tree, [x])[0], Fraction(1, 4)
        grown = math.exp(math.exact(max(ends))[1])[1]
        absolute = self.factor.up(self.factor.up(share + 1 << shift, max(-value[0], value[1])), grown)
        units = Fraction(share << digits, run.one)
        if max(low, -high) <= 1 << self.inner.smallest + digits + 1 + math.bits:
            # Perhaps subnormal, and rounded once more, in units that are twice as large at least.
            units = max(units, units * (1 + Fraction(1, 2**20)) / 2 + room)
            absolute += 1 << max(self.inner.smallest - 2 + math.bits, 0)
        # In units of the least value itself it is perhaps less.
        units = min(units, Fraction(absolute, unit_at(max(low, -high, 0), format, math.bits)))
        need(max(-low, high) + absolute < 1 << self.inner.top - 1 + math.bits, "a result that may be too large")
        ends_of = low - absolute, high + absolute
        if 8 * share < run.one:
            ends_of = (
                max(ends_of[0], low // 2) if low > 0 else ends_of[0],
                min(ends_of[1], -(-high // 2)) if high < 0 else ends_of[1],
            )
        more = self.math.bits - math.bits
        return Outcome(units <= allowed, ends_of[0] << more, ends_of[1] << more)

    def error(self, run: Running, x: Interval, whole: Interval, off: int) -> int:
        """How far the result is from the target before its last sum is rounded, over ``exp(u)``; ``whole`` is
        ``f exp(-u)``, which ``b + w`` is from by ``off``."""
        known, fused, worst = self.known, self.known.order.fused, 0
        beside = 0
        if not known.more:  # there is no w that could be off: b itself is
            beside, whole = off, (whole[0] - off, whole[1] + off)
        exact = x if known.base is None else run.known(Fraction(known.base), Fraction(known.base)).exact
        w, more = Ranged((whole[0] - exact[1], whole[1] - exact[0]), off), known.more
        if known.base is None and not fused:
            half, more = (run.one >> BEHIND[self.name][known.how.square] + 1) + 1, True
            wide = w.exact[0] - half, w.exact[1] + half
            w = run.rounded(wide, off) if known.more else Ranged((-half, half), 0)
        total = run.rounded(whole, w.error) if known.more else Ranged(whole, 0)
        for value, lead, rest in self.proved.parts:
            if not more:
                done = rest if known.base == 1.0 else run.mul(rest, total)
            else:
                part, other = run.mul(Ranged(lead, 0), w), run.product(rest, total)
                other = other if fused else run.rounded(*other)
                done = run.rounded(
                    (part.exact[0] + other.exact[0], part.exact[1] + other.exact[1]), part.error + other.error
                )
            worst = max(worst, (done.error + run.tiny << run.math.bits) // value[0] + 1)
        return worst + beside
