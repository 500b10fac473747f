"""The verifier: interval arithmetic in scaled integers, and Taylor coefficients of intervals.

Standard library only; see ``verify.py``.
"""

import operator
import time
from fractions import Fraction
from math import comb, isqrt

if __package__:
    from rational_approx.verify_reading import SWITCHED, Late, chosen, need, read
else:  # run alone, beside the other files
    from verify_reading import SWITCHED, Late, chosen, need, read  # type: ignore[import-not-found, no-redef]

__all__ = ["Arithmetic", "Interval", "Jet"]

Interval = tuple[int, int]
"""``(a, b)`` stands for the numbers from ``a / 2**bits`` to ``b / 2**bits``."""
Jet = list[Interval]
TEMPLATES = {
    "erfc": read("1 - erf(x)"),
    "tanh": read("1 - 2 / (exp(2 * x) + 1)"),
    "sinh": read("(exp(x) - exp(-x)) / 2"),
    "cosh": read("(exp(x) + exp(-x)) / 2"),
    "sigmoid": read("1 / (1 + exp(-x))"),
    "softplus": read("log(1 + exp(x))"),
    "expm1": read("exp(x) - 1"),
    "log1p": read("log(1 + x)"),
    "cos": read("sin(x + pi / 2)"),
    "tan": read("sin(x) / sin(x + pi / 2)"),
}
BELL, HALF_LOG, WITCH = read("2 / sqrt(pi) * exp(-x ^ 2)"), read("exp(log(x) / 2)"), read("1 / (1 + x ^ 2)")


class Arithmetic:
    """Intervals and jets (lists of Taylor coefficients) with fixed fractional bits; every operation rounds outwards.

    Elementary functions work on single numbers with 64 more bits; their slack is far above their summed rounding.
    """

    def __init__(self, bits: int, deadline: float) -> None:
        self.bits, self.one, self.deadline = bits, 1 << bits, deadline
        self.tables: dict[int, list[list[int]]] = {}
        g = self.guard = bits + 64
        self.log2 = sum((1 << g) // (n << n) for n in range(1, g + 1))
        arctan = [sum((-1) ** k * ((1 << g) // ((2 * k + 1) * n ** (2 * k + 1))) for k in range(g)) for n in (5, 239)]
        self.pi = self.settle(16 * arctan[0] - 4 * arctan[1])  # Machin

    def exact(self, value: Fraction) -> Interval:
        scaled = value.numerator << self.bits
        return scaled // value.denominator, -(-scaled // value.denominator)

    def mul(self, x: Interval, y: Interval) -> Interval:
        (a, b), (c, d) = x, y
        if a >= 0 and c >= 0:
            return a * c >> self.bits, -(-b * d >> self.bits)
        products = (a * c, a * d, b * c, b * d)
        return min(products) >> self.bits, -(-max(products) >> self.bits)

    def div(self, x: Interval, y: Interval) -> Interval:
        need(y[0] > 0 or y[1] < 0, "a denominator may vanish")
        pairs = [(a << self.bits, b) for a in x for b in y]
        return min(a // b for a, b in pairs), max(-(-a // b) for a, b in pairs)

    def settle(self, value: int) -> Interval:
        slack = (1 << 40) + (abs(value) >> self.bits + 30)
        return (value - slack) >> 64, -(-(value + slack) >> 64)

    def exp(self, a: int) -> Interval:
        need(a < 3000 << self.bits, "an exponential is too large")
        if a < -(self.bits + 4) << self.bits:
            return 0, 1
        k, r = divmod(a << 64, self.log2)
        term = value = 1 << self.guard
        n = 0
        while term:
            n += 1
            term = (term * r >> self.guard) // n
            value += term
        low, high = value - (1 << 30), value + (1 << 30)
        return (low << k >> 64, -(-high << k >> 64)) if k >= 0 else (low >> 64 - k, -(-high >> 64 - k))

    def log(self, a: int) -> Interval:
        need(a > 0, "a logarithm of a number that may not be positive")
        k = a.bit_length()
        z = (((1 << k) - a) << self.guard) // ((1 << k) + a)
        term, value, n = z, 0, 1
        while term:
            value += term // n
            term, n = (term * z >> self.guard) * z >> self.guard, n + 2
        return self.settle((k - self.bits) * self.log2 - 2 * value)

    def sqrt(self, a: int) -> Interval:
        root = isqrt(max(a, 0) << self.bits)
        return root, root + 1

    def series(self, z: int, first: int, step: int) -> int:
        """Guarded ``z - z^3 / d_1 + z^5 / d_2 - ...``: ``d_k = 2 k + 1`` (step 0), or ``(2 k + 1)!`` (step 1)."""
        square, term, value, n = z * z >> self.guard, z, 0, first
        while abs(term) > 1:
            value += term // (1 if step else n)
            term = -(term * square >> self.guard)
            n += 2
            term = term // (n * (n - 1)) if step else term
        return value

    def atan(self, a: int) -> Interval:
        x, g = a << 64, self.guard
        turned = abs(x) > 1 << g
        if turned:
            x = (1 << 2 * g) // x
        for _ in range(3):  # atan(x) = 2 atan(x / (1 + sqrt(1 + x^2)))
            x = (x << g) // ((1 << g) + isqrt((1 << 2 * g) + x * x))
        low, high = self.settle(8 * self.series(x, 1, 0))
        if not turned:
            return low, high
        quarter = (self.pi[0] >> 1, -(-self.pi[1] >> 1)) if a > 0 else (-self.pi[1] >> 1, -(self.pi[0] >> 1))
        return quarter[0] - high, quarter[1] - low

    def sin(self, a: int) -> Interval:
        need(abs(a) < 1 << self.bits + 20, "a sine of a number that is too large")
        turns = (2 * a + self.pi[0]) // (2 * self.pi[0])  # the nearest multiple of pi; its error is added below
        low, high = self.settle(self.series((a - turns * self.pi[0]) << 64, 1, 1))
        slack = abs(turns) * (self.pi[1] - self.pi[0]) + 1
        low, high = low - slack, high + slack
        return (low, high) if turns % 2 == 0 else (-high, -low)

    def erf(self, a: int) -> Interval:
        if a < 0:
            low, high = self.erf(-a)
            return -high, -low
        square, fine = a * a >> self.bits, a * a << 64 >> self.bits
        if square > self.bits << self.bits:
            return self.one - 1, self.one
        term, value, n = a << 64, 0, 1
        while term:  # erf(x) = 2 / sqrt(pi) exp(-x^2) sum of x (2 x^2)^k / (1 3 5 ... (2k + 1)), all terms positive
            value += term
            n += 2
            term = 2 * (term * fine >> self.guard) // n
        root = self.sqrt(self.pi[0])[0], self.sqrt(self.pi[1])[1]
        bottom = self.mul((self.exp(square)[0], self.exp(square + 1)[1]), root)
        return self.div(self.settle(2 * value), bottom)

    def shifted(self, poly: Jet, centre: Interval, count: int) -> Jet:
        """The first coefficients in powers of ``x - centre``, by repeated synthetic division."""
        c = list(poly)
        for i in range(min(len(c) - 1, count)):
            for j in range(len(c) - 2, i - 1, -1):
                step = self.mul(c[j + 1], centre)
                c[j] = c[j][0] + step[0], c[j][1] + step[1]
        return [*c, *[(0, 0)] * count][:count]

    def nested(self, sizes: list[int], h: int) -> int:
        """An upper bound of ``sum_k sizes[k] h^k`` for numbers that are not negative, by Horner's rule."""
        value = 0
        for size in reversed(sizes):
            value = (value * h >> self.bits) + size + 1
        return value

    def over(self, poly: Jet, spread: int, count: int) -> Jet:
        """The first Taylor coefficients of a polynomial at every point of ``[-spread, spread]``."""
        sizes, out = [max(abs(low), abs(high)) for low, high in poly], []
        for k in range(count):
            more = self.nested([0, *(comb(j, k) * sizes[j] for j in range(k + 1, len(poly)))], spread)
            low, high = poly[k] if k < len(poly) else (0, 0)
            out.append((low - more, high + more))
        return out

    def range(self, poly: Jet, spread: int) -> Interval:
        """Bounds of a polynomial on ``[-spread, spread]`` by its Bernstein coefficients.

        With ``t = spread (2 s - 1)``, ``t^j`` is ``spread^j (s - (1 - s))^j (s + (1 - s))^(n - j)``, so that the
        coefficients of ``(1 - z)^j (1 + z)^(n - j)``, over the binomial coefficients, are those of ``(t / spread)^j``.
        """
        n, power, middles, slack = len(poly) - 1, (self.one, self.one), [], 1
        small = max(0, self.bits - spread.bit_length())  # powers of 2^small spread, which do not vanish
        factor = spread << small, spread << small
        for j, c in enumerate(poly):
            low, high = self.mul(c, power)
            low, high = low >> small * j, -(-high >> small * j)
            middles.append(low + high >> 1)
            slack += (high - low >> 1) + 1
            power = self.mul(power, factor)
        table = self.tables.get(n) or self.tables.setdefault(n, krawtchouk(n))
        sums = [sum(map(operator.mul, row, middles)) // comb(n, i) for i, row in enumerate(table)]
        return min(sums) - slack, max(sums) + slack + 1

    def jet_mul(self, u: Jet, v: Jet) -> Jet:
        out = []
        for k in range(len(u)):
            terms = [self.mul(u[j], v[k - j]) for j in range(k + 1)]
            out.append((sum(t[0] for t in terms), sum(t[1] for t in terms)))
        return out

    def jet_div(self, u: Jet, v: Jet) -> Jet:
        out: Jet = []
        for k in range(len(u)):
            terms = [self.mul(out[j], v[k - j]) for j in range(k)]
            rest = u[k][0] - sum(t[1] for t in terms), u[k][1] - sum(t[0] for t in terms)
            out.append(self.div(rest, v[0]))
        return out

    def integrate(self, start: Interval, slope: Jet | None, u: Jet) -> Jet:
        """``y`` with ``y' = slope u'``; without a slope ``y' = y u'``."""
        y = [start]
        for k in range(1, len(u)):
            terms = [self.mul((j * u[j][0], j * u[j][1]), (slope or y)[k - j]) for j in range(1, k + 1)]
            y.append((sum(t[0] for t in terms) // k, -(-sum(t[1] for t in terms) // k)))
        return y

    def evaluate(self, node: tuple, u: Jet) -> Jet:
        """Taylor coefficients of a tree at a point or over a box."""
        kind, n = node[0], len(u)
        if time.monotonic() > self.deadline:
            raise Late("the check takes longer than it may: give it more seconds")
        if kind == "x":
            return u
        if kind == "interval":
            return [node[1]] + [(0, 0)] * (n - 1)
        if kind in ("number", "pi", "e"):
            value = self.exact(node[1]) if kind == "number" else self.pi if kind == "pi" else self.exp(self.one)
            return [value] + [(0, 0)] * (n - 1)
        if kind == "derivative":  # at the root of a tree, where u is x + t
            longer = self.evaluate(node[1], [u[0], (self.one, self.one)] + [(0, 0)] * (n - 1))
            return [(k * low, k * high) for k, (low, high) in enumerate(longer)][1:]
        if kind in SWITCHED:
            value = self.evaluate(("+", node[1], ("neg", node[2])) if kind in ("min", "max") else node[1], u)[0]
            need(value[0] >= 0 or value[1] <= 0, "a branch switches inside a part")
            return self.evaluate(chosen(node, 1 if value[0] >= 0 else -1), u)
        if kind in TEMPLATES:
            return self.evaluate(TEMPLATES[kind], self.evaluate(node[1], u))
        first = self.evaluate(node[1], u)
        if kind == "neg":
            return [(-b, -a) for a, b in first]
        if kind == "^":
            if node[2][0] == "number" and node[2][1].denominator == 1:
                power = abs(int(node[2][1]))
                need(power <= 64, "a power above 64")
                out = one = [(self.one, self.one)] + [(0, 0)] * (n - 1)
                for _ in range(power):
                    out = self.jet_mul(out, first)
                return out if node[2][1] >= 0 else self.jet_div(one, out)
            if node[2] == ("number", Fraction(1, 2)):
                return self.evaluate(("sqrt", ("x",)), first)
            return self.evaluate(("exp", ("*", node[2], ("log", node[1]))), u)
        if kind in ("+", "*", "/"):
            second = self.evaluate(node[2], u)
            if kind == "+":
                return [(a + c, b + d) for (a, b), (c, d) in zip(first, second)]
            return self.jet_mul(first, second) if kind == "*" else self.jet_div(first, second)
        if kind == "sin":
            return self.sine(first)
        need(kind != "sqrt" or first[0][0] >= 0, "a root of a number that may be negative")
        function = {
            "exp": self.exp,
            "log": self.log,
            "sqrt": self.sqrt,
            "root": self.sqrt,
            "erf": self.erf,
            "atan": self.atan,
        }[kind]
        start = function(first[0][0])[0], function(first[0][1])[1]
        if kind == "exp" or n == 1:
            return self.integrate(start, None, first)
        if kind == "log":
            return self.integrate(start, self.jet_div([(self.one, self.one)] + [(0, 0)] * (n - 1), first), first)
        if kind in ("sqrt", "root"):
            return [start, *self.evaluate(HALF_LOG, first)[1:]]
        return self.integrate(start, self.evaluate(BELL if kind == "erf" else WITCH, first), first)

    def sine(self, u: Jet) -> Jet:
        """Taylor coefficients of the sine, together with those of the cosine."""
        width, quarter = u[0][1] - u[0][0], self.pi[0] >> 1  # sine and cosine change by no more than their argument
        starts = [self.sin(u[0][0]), self.sin(u[0][0] + quarter)]
        slack = width + self.pi[1] - self.pi[0] + 1
        s, c = ([(low - slack, high + slack)] for low, high in starts)
        for k in range(1, len(u)):
            parts = [[self.mul((j * u[j][0], j * u[j][1]), other[k - j]) for j in range(1, k + 1)] for other in (c, s)]
            up, down = ((sum(t[0] for t in terms), sum(t[1] for t in terms)) for terms in parts)
            s.append((up[0] // k, -(-up[1] // k)))
            c.append((-down[1] // k, -(down[0] // k)))
        return s

    def ray(self, node: tuple, start: Interval) -> tuple[int | None, int | None]:
        """Bounds of a tree on ``[start, inf)``; None where there is none."""
        kind = node[0]
        if kind in ("number", "pi", "e"):
            return self.evaluate(node, [start])[0]
        if kind == "x":
            return start[0], None
        if kind in TEMPLATES:
            return self.ray(substituted(TEMPLATES[kind], node[1]), start)
        need(kind in ("neg", "exp", "+", "*", "/"), "a function that the verifier does not follow to infinity")
        low, high = self.ray(node[1], start)
        if kind == "neg":
            return None if high is None else -high, None if low is None else -low
        if kind == "exp":
            return 0 if low is None else self.exp(low)[0], None if high is None else self.exp(high)[1]
        if node[2] == ("number", Fraction(-1)):
            return self.ray(("neg", node[1]), start)
        other, above = self.ray(node[2], start)
        if kind == "+":
            return None if None in (low, other) else low + other, None if None in (high, above) else high + above  # type: ignore
        need(low is not None and other is not None and low >= 0 and other >= 0, "a product of unknown sign at infinity")
        assert low is not None
        assert other is not None
        if kind == "*":
            return low * other >> self.bits, None if None in (high, above) else -(-high * above >> self.bits)  # type: ignore
        need(other > 0, "a denominator may vanish on a half-line")
        least = 0 if above is None else (low << self.bits) // above
        return least, None if high is None else -(-(high << self.bits) // other)


def substituted(node: tuple, inner: tuple) -> tuple:
    """A tree with another one in the place of x."""
    if node[0] == "x":
        return inner
    return node if node[0] in ("number", "pi", "e") else (node[0], *(substituted(part, inner) for part in node[1:]))


def krawtchouk(n: int) -> list[list[int]]:
    """Row i holds the coefficients of ``z^i`` in ``(1 - z)^j (1 + z)^(n - j)``, j from 0 to n."""
    columns = [[comb(n, i) for i in range(n + 1)]]
    for _ in range(n):  # (1 + z) next = (1 - z) last
        last, column = columns[-1], [1]
        for i in range(1, n + 1):
            column.append(last[i] - last[i - 1] - column[-1])
        columns.append(column)
    return [list(row) for row in zip(*columns)]
