"""Taylor coefficients of expressions as intervals, at a point or over a box.

Standard library only.
"""

import operator
from fractions import Fraction
from math import comb, inf

from .functions import Functions
from .intervals import Interval, size
from .reading import CONTINUOUS, SWITCHED, chosen, has_x, in_time, need, read, switch

__all__ = ["TEMPLATES", "Arithmetic", "Jet"]

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
    "acos": read("pi / 2 - asin(x)"),
}
BEYOND = {
    ("tanh", 1): read("(1 - exp(-2 * x)) / (1 + exp(-2 * x))"),
    ("sigmoid", -1): read("exp(x) / (1 + exp(x))"),
    ("softplus", 1): read("x + log(1 + exp(-x))"),
}
"""The same beyond 1, or -1, where their exponentials would be large."""
SLOPES = {
    "log": read("1 / x"),
    "sqrt": read("exp(-log(x) / 2) / 2"),
    "erf": read("2 / sqrt(pi) * exp(-x ^ 2)"),
    "atan": read("1 / (1 + x ^ 2)"),
    "asin": read("1 / sqrt(1 - x ^ 2)"),
    "asinh": read("1 / sqrt(1 + x ^ 2)"),
    "acosh": read("1 / sqrt(x ^ 2 - 1)"),
    "atanh": read("1 / (1 - x ^ 2)"),
}
"""The derivatives of increasing functions."""
STARTS = {"sqrt": (0, inf), "asin": (-1, 1), "acosh": (1, inf)}
STEEP = (*STARTS, "acos", "^")
"""Functions that have a value at an end of their domain, and no derivative: of a constant there they are one, too."""
REFLECTED = read("pi / (sin(pi * x) * gamma(1 - x))")


class Arithmetic(Functions):
    """Jets: lists of Taylor coefficients, each an interval."""

    def __init__(self, bits: int, deadline: float) -> None:
        super().__init__(bits)
        self.deadline = deadline
        self.tables: dict[int, list[list[int]]] = {}

    def over(self, poly: Jet, count: int) -> Jet:
        """The first Taylor coefficients of a polynomial at every point of [-1, 1]."""
        sizes, out = list(map(size, poly)), []
        for k in range(count):
            more = sum(comb(j, k) * sizes[j] for j in range(k + 1, len(poly)))
            low, high = poly[k] if k < len(poly) else (0, 0)
            out.append((low - more, high + more))
        return out

    def range(self, poly: Jet) -> Interval:
        """Bounds of a polynomial on [-1, 1] by its Bernstein coefficients.

        With ``s = a - b`` and ``1 = a + b``, ``s^j`` is ``(a - b)^j (a + b)^(n - j)``, so that its Bernstein
        coefficients are those of ``(1 - z)^j (1 + z)^(n - j)``, over the binomial coefficients.
        """
        n = len(poly) - 1
        middles, slack = [low + high >> 1 for low, high in poly], sum((high - low >> 1) + 1 for low, high in poly) + 1
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
        in_time(self.deadline)
        if kind == "x":
            return u
        if kind == "interval":
            return [node[1]] + [(0, 0)] * (n - 1)
        if kind in ("number", "pi", "e"):
            value = self.exact(node[1]) if kind == "number" else self.pi if kind == "pi" else self.exp(self.one)
            return [value] + [(0, 0)] * (n - 1)
        if kind in SWITCHED:
            return self.switched(node, u)
        if kind == "divided":
            return self.divided(node, u)
        if n > 1 and kind in STEEP and not has_x(node):
            return [self.evaluate(node, u[:1])[0]] + [(0, 0)] * (n - 1)
        first = self.evaluate(node[1], u)
        if kind == "clipped":  # the value is known to lie between two numbers, rounding aside
            low, high = (self.exact(Fraction(end))[side] if abs(end) < inf else end for side, end in enumerate(node[2]))
            return [(max(first[0][0], low), min(first[0][1], high)), *first[1:]]
        if kind in TEMPLATES:
            side = 1 if first[0][0] > self.one else -1 if first[0][1] < -self.one else 0
            return self.evaluate(BEYOND.get((kind, side), TEMPLATES[kind]), first)
        if kind == "neg":
            return [(-b, -a) for a, b in first]
        if kind == "^":
            return self.power(node, first, u)
        if kind in ("+", "*", "/"):
            second = self.evaluate(node[2], u)
            if kind == "+":
                return [(a + c, b + d) for (a, b), (c, d) in zip(first, second)]
            return self.jet_mul(first, second) if kind == "*" else self.jet_div(first, second)
        if kind == "sin":
            return self.sine(first)
        if kind in ("gamma", "loggamma"):
            return self.gamma(kind, first)
        low, high = STARTS.get(kind, (-inf, inf))
        inside = (low == -inf or first[0][0] >= low * self.one) and (high == inf or first[0][1] <= high * self.one)
        need(inside, f"{kind} of a number that may lie outside its domain")
        function = getattr(self, kind)
        start = function(first[0][0])
        if first[0][0] != first[0][1]:
            start = start[0], function(first[0][1])[1]
        if kind == "exp" or n == 1:
            return self.integrate(start, None, first)
        return self.integrate(start, self.evaluate(SLOPES[kind], first), first)

    def divided(self, node: tuple, u: Jet) -> Jet:
        """A tree that vanishes at z over ``abs(x - z)``, at ``x = start + h s``.

        With ``g = f / (x - z)`` and ``F = f^(k + 1) / (k + 1)!``, ``g^(k)(x) / k!`` is the integral of
        ``(k + 1) r^k F(z + r (x - z))`` over r from 0 to 1: on an interval that holds x and z, F encloses it.
        """
        (low, high), (a, b), n = u[0], self.exact(node[2]), len(u)
        h = u[1] if n > 1 else (self.one, self.one)
        if high < a or b < low:
            out = self.jet_div(self.evaluate(node[1], u), [(low - b, high - a), *u[1:]])
        else:
            both = [(min(low, a), max(high, b)), h, *[(0, 0)] * (n - 1)]
            out = [self.div(c, h) for c in self.evaluate(node[1], both)[1:]]
        return out if node[3] > 0 else [(-d, -c) for c, d in out]

    def switched(self, node: tuple, u: Jet) -> Jet:
        """A piecewise function: one branch, or at a switch the values of both, which have no Taylor coefficients.

        A value at a single point does not count. So a switch that is zero at a point leaves both branches open, and
        takes the third one only if it is zero on an interval.
        """
        low, high = self.evaluate(switch(node), u)[0]
        touching = node[0] in CONTINUOUS  # both branches agree at a zero
        if low > 0 or (touching and low == 0):
            return self.evaluate(chosen(node, 1), u)
        if high < 0 or (touching and high == 0):
            return self.evaluate(chosen(node, -1), u)
        if low == high == 0 and u[0][0] < u[0][1]:
            return self.evaluate(chosen(node, 0), u)
        need(len(u) == 1, "a branch switches inside a part")
        if node[0] == "abs":
            return [(0, max(-low, high))]
        (low, high), (below, above) = (self.evaluate(chosen(node, sign), u)[0] for sign in (1, -1))
        if node[0] in ("min", "max"):
            pick = min if node[0] == "min" else max
            return [(pick(low, below), pick(high, above))]
        return [(min(low, below), max(high, above))]  # the values at a zero, 0 or 1/2 or a branch, lie between

    def power(self, node: tuple, first: Jet, u: Jet) -> Jet:
        """A power: by multiplication, or as an exponential."""
        exponent = node[2][1] if node[2][0] == "number" else None
        if exponent is not None and exponent.denominator == 1:
            power = abs(int(exponent))
            need(power <= 64, "a power above 64")
            out = one = [(self.one, self.one)] + [(0, 0)] * (len(u) - 1)
            for _ in range(power):
                out = self.jet_mul(out, first)
            if power % 2 == 0 and out[0][0] < 0:
                out[0] = 0, out[0][1]
            return out if exponent >= 0 else self.jet_div(one, out)
        if exponent == Fraction(1, 2):
            return self.evaluate(("sqrt", ("x",)), first)
        if exponent is None:
            return self.evaluate(("exp", ("*", node[2], ("log", node[1]))), u)
        if exponent > 0 and first[0][0] == 0 and len(u) == 1:
            return [(0, self.power(node, [(first[0][1],) * 2], u)[0][1] if first[0][1] else 0)]
        return self.evaluate(("exp", ("*", node[2], ("log", ("x",)))), first)

    def gamma(self, kind: str, u: Jet) -> Jet:
        """The gamma function or its logarithm, whose derivatives are all monotone on the positive numbers."""
        if kind == "gamma" and u[0][0] <= 0:
            need(u[0][1] < self.one, "a gamma function on a box with a pole")
            return self.evaluate(REFLECTED, u)
        (a, b), n = u[0], len(u)
        known = self.loggamma(a, n + 1)
        start = known[0]
        if b - a > 1 << 20:
            known = [(min(p, q), max(r, s)) for (p, r), (q, s) in zip(known, self.loggamma(b, n + 1))]
        else:  # from the second derivative on, they are largest at the left end
            for k in range(1, n):
                slack = ((b - a) * (k + 1) * max(map(abs, known[k + 1])) >> self.bits) + 1
                known[k] = known[k][0] - slack, known[k][1] + slack
        low, high = self.mul((0, b - a), known[1])
        known[0] = start[0] + low, start[1] + high
        inner, out = [(0, 0), *u[1:]], [(0, 0)] * len(u)
        for c in known[len(u) - 1 :: -1]:  # Horner's rule for the inner series
            out = self.jet_mul(out, inner)
            out[0] = out[0][0] + c[0], out[0][1] + c[1]
        return out if kind == "loggamma" else self.evaluate(("exp", ("x",)), out)

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


def krawtchouk(n: int) -> list[list[int]]:
    """Row i holds the coefficients of ``z^i`` in ``(1 - z)^j (1 + z)^(n - j)``, j from 0 to n."""
    columns = [[comb(n, i) for i in range(n + 1)]]
    for _ in range(n):  # (1 + z) next = (1 - z) last
        last, column = columns[-1], [1]
        for i in range(1, n + 1):
            column.append(last[i] - last[i - 1] - column[-1])
        columns.append(column)
    return [list(row) for row in zip(*columns)]
