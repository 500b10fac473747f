"""The verifier: functions that code calls, with their own errors, and what they make of those of their arguments.

Standard library only.
"""

from contextlib import suppress
from fractions import Fraction
from typing import Any

from .arctangents import arctangent_error
from .differences import expm1_error, log1p_error
from .intervals import Interval, size
from .jets import Arithmetic
from .known import Known, Operations, short
from .lines import Wave, wave_of
from .logarithms import logarithm_error
from .own_sines import OwnWave
from .quotients import QUOTIENTS, quotient_domain, quotient_errors
from .reading import Failure, need
from .reductions import REACH, exponential_error
from .sines import least_wave, sine_error
from .sums import FROM, SUMS, domain, sum_errors

__all__ = ["WAVES", "Calls"]

ERRORS: dict[str, Any] = {
    "exp": exponential_error,
    "log": logarithm_error,
    "expm1": expm1_error,
    "log1p": log1p_error,
    "atan": arctangent_error,
}
WAVES = ("sin", "cos")


class Calls(Operations):
    """The operations, and the functions of a file, for inputs in ``x``."""

    def __init__(
        self, math: Arithmetic, functions: dict[str, Any], formats: tuple[str, str], side: int, flush: bool
    ) -> None:
        super().__init__(math, formats, flush)
        self.functions = functions
        self.kinds = (*((*SUMS, *QUOTIENTS) if self.own else ERRORS), *WAVES)
        self.x: Interval = (side * math.one, side * math.one)
        self.errors: dict[Any, tuple[Fraction, ...]] = {}
        self.waves: dict[Any, tuple[OwnWave, Fraction]] = {}

    def applied(self, node: tuple, name: str, u: Known) -> Known:
        """A function: its own error, and what it makes of its argument's."""
        math = self.math
        if self.own:
            return self.summed(node[0], name, u)
        if name not in self.errors:
            code, result = self.functions[name]
            self.errors[name] = ERRORS[node[0]](code, result, self.inner), Fraction(0)
        share = math.exact(self.errors[name][0])[1]
        if node[0] == "exp":
            need(size((u.low, u.high)) + u.absolute < REACH[self.inner] << math.bits, "an argument beyond the reach")
            low, high = math.exp(u.low)[0], math.exp(u.high)[1]
            off = math.exp(u.absolute)[1] - math.one
            absolute = self.up(high, off + share + self.up(off, share))
            return self.done(Known(low, high, absolute, off, None, False), share)
        if node[0] != "log":
            return self.careful(node[0], u, share)
        need(u.relative is not None and 2 * u.relative < math.one and u.low > 0, "a logarithm that is not known")
        need(self.size(u.low) > Fraction(2) ** (self.smallest + self.digits), "a logarithm of a subnormal number")
        low, high = math.log(u.low)[0], math.log(u.high)[1]
        relative = u.relative or 0
        off = self.over(relative, math.one - relative) if relative else 0
        absolute = off + self.up(share, size((low, high)) + off)
        # Of an exact number the error is relative, also where it is 1: others are a last place away.
        if off:
            return self.done(Known(low, high, absolute, None, None, True), share)
        return self.done(Known(low, high, absolute, 0, Fraction(1, 2 << self.digits), True), share)

    def summed(self, kind: str, name: str, u: Known) -> Known:
        """A function whose last operation adds a small number: its argument is in its domain."""
        math = self.math
        if kind in QUOTIENTS:
            return self.divided_by(kind, name, u)
        if name not in self.errors:
            steps, result = self.functions[name]
            self.errors[name] = sum_errors(kind, steps, result, self.inner, self.flush)
        low, high = (math.exact(end)[1 - k] for k, end in enumerate(domain(kind, self.inner)))
        need(low < u.low - u.absolute and u.high + u.absolute < high, "an argument beyond what is proved")
        if kind in FROM:
            need(max(u.low, -u.high) - u.absolute >= math.exact(FROM[kind])[1], "an argument too near to zero")
        ends, off = (u.low, u.high), u.absolute
        if kind == "log":
            need(u.relative is not None and 2 * u.relative < math.one, "a logarithm that is not known")
            need(self.size(u.low) >= Fraction(2) ** (self.smallest + self.digits - 1), "a subnormal argument")
            off = self.over(u.relative, math.one - u.relative) if u.relative else 0
        elif kind == "log1p":
            ends = math.one + u.low, math.one + u.high
            off = self.over(off, ends[0] - off) if off else 0
        return self.corrected(kind, name, ends, off)

    def corrected(self, kind: str, name: str, ends: Interval, off: int) -> Known:
        """Its result, for the argument of a logarithm, or of an exponential, that is off by so much."""
        math = self.math
        units, before, after = self.errors[name]
        in_units = math.exact(units / 2**self.digits)[1]
        shares = [math.exact(share)[1] for share in (before, after)]
        if kind in ("log", "log1p"):
            low, high = math.log(ends[0])[0], math.log(ends[1])[1]
            absolute = [off + self.up(share, size((low, high)) + off) for share in shares]
            least = None if off else Fraction(1, 2 << self.digits)
            known = self.done(Known(low, high, absolute[1], None if off else 0, least, True), shares[1])
            return known._replace(before=(absolute[0], None if off else in_units))
        low, high = math.exp(ends[0])[0], math.exp(ends[1])[1]
        off = (math.exp(off)[1] - math.one) * (1 if kind == "exp" else 3)  # exp(u) is below 3 abs(expm1(u)) here
        if kind == "expm1":
            low, high = low - math.one, high - math.one
        return self.scaled((low, high), off, name, kind == "expm1")

    def divided_by(self, kind: str, name: str, u: Known) -> Known:
        """A function of an exact argument that is a quotient or its like."""
        need(not self.flush, "a function that is not proved for machines that flush")
        math = self.math
        if name not in self.errors:
            steps, result = self.functions[name]
            self.errors[name] = quotient_errors(kind, steps, result, self.inner)
        low, high = (math.exact(end)[1 - k] for k, end in enumerate(quotient_domain(kind, self.inner)))
        need(u.absolute == 0 and low < u.low and u.high < high, "an argument beyond what is proved")
        # Both rise.
        ends = math.exp(u.low)[0], math.exp(u.high)[1]
        if kind == "softplus":
            value = math.log(math.one + ends[0])[0], math.log(math.one + ends[1])[1]
        else:
            value = (ends[0] << math.bits) // (math.one + ends[0]), (ends[1] << math.bits) // (math.one + ends[1]) + 1
        if kind == "silu":
            value = math.mul((u.low, u.high), value)
        return self.scaled(value, 0, name, False)

    def scaled(self, value: Interval, off: int, name: str, normal: bool) -> Known:
        """A result that is scaled by a power of two at the end, with a share ``off`` that comes of the argument."""
        math, (low, high) = self.math, value
        units, before, after = self.errors[name]
        in_units = math.exact(units / 2**self.digits)[1]
        shares = [math.exact(share)[1] for share in (before, after)]
        absolute = [self.up(size((low, high)), off + share + self.up(off, share)) for share in shares]
        if normal or max(low, -high) > math.exact(Fraction(2) ** (self.smallest + self.digits))[1]:
            known = self.done(Known(low, high, absolute[1], off, None, False), shares[1])
        else:
            # Scaled to a subnormal number it is rounded once more, in units twice as large at least.
            known = self.done(Known(low, high, absolute[1] + self.tiny, None, None, False), self.share)
            absolute[0] = absolute[1]
            in_units = math.exact(max(units, (units + Fraction(1, 2)) / 2) / 2**self.digits)[1]
        return known._replace(before=(absolute[0], off + in_units + self.up(off, in_units)))

    def careful(self, kind: str, u: Known, share: int) -> Known:
        """``expm1``, ``log1p`` or ``atan``, which vanish with their argument and keep its relative error."""
        need(not self.own, "a function that is not proved in its own format")
        math, one = self.math, self.math.one
        node = (kind, ("x",))
        ends = (math.evaluate(node, [(end, end)])[0] for end in (u.low, u.high))
        (low, _), (_, high) = ends
        steep, growth = getattr(self, "slope_" + kind)(u)
        absolute = self.up(u.absolute, steep)
        relative = None if u.relative is None else self.up(u.relative, growth)
        smallest = Fraction(2) ** (self.smallest + self.digits + 4)
        if u.relative is None or 2 * u.relative > one or u.least is None or u.least / 2 < smallest:
            absolute, relative = absolute + 1, None  # something may be subnormal
        if relative is not None:
            absolute = min(absolute, self.up(relative, size((low, high))))
        absolute += self.up(share, size((low, high)) + absolute)
        least = None if u.least is None else short(min(u.least, Fraction(1)) / 2)
        return self.done(Known(low, high, absolute, relative, least, u.zero), share)

    def slope_expm1(self, u: Known) -> tuple[int, int]:
        """The slope between u and what is calculated, and that over ``expm1(u) / u``."""
        math = self.math
        need(size((u.low, u.high)) + u.absolute < REACH[self.inner] << math.bits, "an argument beyond the reach")
        grown = math.exp(u.absolute)[1]
        return math.exp(u.high + u.absolute)[1], self.up(math.one + max(u.high, 0), grown)

    def slope_log1p(self, u: Known) -> tuple[int, int]:
        """The same: ``1 / (1 + u)`` is the slope; ``u / (1 + u) <= log1p(u)``, and below 0 ``abs(u) <= -log1p(u)``."""
        one = self.math.one
        free = one + u.low - u.absolute
        need(free > 0, "a log1p of a number that may be below -1")
        need(size((u.low, u.high)) + u.absolute < one << self.top - 8, "an argument of log1p that is too large")
        steep, moved = self.over(one, free), min(u.relative or 0, one >> 1)
        exact = self.over(one, one - moved)
        return steep, exact if u.low >= 0 else max(exact, steep)

    def slope_atan(self, u: Known) -> tuple[int, int]:
        """The slope is at most 1, and ``atan(u) / u`` falls."""
        one = self.math.one
        need(size((u.low, u.high)) + u.absolute < one << self.top // 2 - 8, "an argument of atan that is too large")
        return one, one

    def wave(self, node: tuple, name: str) -> Known:
        """A sine or a cosine of a line."""
        key, ahead = (name, node), node[0] == "cos"
        wave = wave_of(node[1], ahead)
        if self.own:
            return self.own_wave(node, name, wave)
        if key not in self.errors:
            code, result = self.functions[name]
            found = sine_error(code, result, ahead, wave, (self.format, self.inner))
            self.errors[key] = found, short(least_wave(wave, ahead, self.format))
        if wave.zero is not None:
            at = self.math.exact(wave.zero)
            need(at[1] < self.x[0] or at[0] > self.x[1], "a zero that is known exactly is looked at alone")
        error, least = self.errors[key]
        share, (low, high) = self.math.exact(error)[1], self.heights(node)
        return self.done(Known(low, high, share, 0, least, wave.is_exact()), share)

    def heights(self, node: tuple) -> Interval:
        """Bounds of a sine or a cosine."""
        low, high = -self.math.one, self.math.one
        if size(self.x) < 64 << self.math.bits:
            with suppress(Failure):
                (a, b) = self.math.evaluate(node, [self.x])[0]
                low, high = max(a, low), min(b, high)
        return low, high

    def own_wave(self, node: tuple, name: str, wave: Wave) -> Known:
        """The same where the last operation adds a small number."""
        math, key = self.math, (name, node)
        if key not in self.waves:
            code, result = self.functions[name]
            least = short(least_wave(wave, node[0] == "cos", self.format))
            self.waves[key] = OwnWave(code, result, node[0] == "cos", wave, self.inner, self.flush), least
        known, least = self.waves[key]
        ends = sorted(map(abs, self.x))
        need(ends[0] > 0 and (self.x[0] > 0) == (self.x[1] > 0), "a sine of numbers next to zero")
        first, last = (end.bit_length() - 1 - math.bits for end in ends)
        units, before, after = known.errors(first, min(last, self.top - 1))
        shares = [math.exact(share)[1] for share in (before, after)]
        low, high = self.heights(node)
        absolute = [self.up(size((low, high)), share) for share in shares]
        done = self.done(Known(low, high, absolute[1], 0, least, wave.is_exact()), shares[1])
        return done._replace(before=(absolute[0], math.exact(units / 2**self.digits)[1]))
