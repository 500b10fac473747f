"""an expression on a half-line as ``c(y) y^k``, with ``y = x / start >= 1`` and bounds of c.

Where ``u <= -h y^k`` with h and k positive, ``exp(u) <= exp(-h) y^-n`` for every ``n <= h k``, because
``-h y^k + n log(y)`` falls from y = 1 on. Standard library only.
"""

from fractions import Fraction
from math import inf
from typing import Any

from .intervals import Interval
from .jets import TEMPLATES, Arithmetic
from .reading import CONTINUOUS, ONE, SWITCHED, Failure, chosen, in_time, need, switch

__all__ = ["bounds", "on", "substituted"]

Ray = tuple[Any, Any, Fraction]
"""Bounds of c, which may be infinite, and the power of y."""
NONE = Fraction(0)
LARGEST = 2000
"""An exponential of more than this is bounded from below by that of this."""


def bounds(math: Arithmetic, node: tuple, start: Interval) -> tuple[Any, Any]:
    """Bounds of a tree on ``[start, inf)``, infinite where there is none: a logarithm of what grows is below a root of
    it, or else has no bound but from below."""
    found, trouble = [(-inf, inf)], None
    for tree in (node, rising(node)):
        try:
            found.append(plain(ray(math, tree, start)))
        except Failure as problem:
            trouble = problem
    if trouble and not found[1:]:
        raise trouble
    return max(low for low, _ in found), min(high for _, high in found)


def on(math: Arithmetic, node: tuple, box: Interval) -> tuple[Any, Any]:
    """Bounds of a tree on an interval, which may be infinite where values are too large."""
    return ray(math, substituted(node, ("ray", (*box, NONE))), box)[:2]


def rising(node: tuple) -> tuple:
    """A tree with logarithms that are bounded from below alone where their arguments grow."""
    if node[0] == "clipped":
        return ("clipped", rising(node[1]), node[2])
    parts = tuple(rising(part) if isinstance(part, tuple) else part for part in node[1:])
    if node[0] == "^" and node[2][0] != "number":
        return ("exp", ("*", parts[1], ("rising", parts[0])))
    return ("rising" if node[0] == "log" else node[0], *parts)


def plain(x: Ray) -> tuple[Any, Any]:
    """Bounds of the values: y^k runs through (0, 1] or [1, inf)."""
    low, high, power = x
    if power > 0:
        return low if low >= 0 else -inf, high if high <= 0 else inf
    return raised(x, NONE)[:2]


def raised(x: Ray, power: Fraction) -> Ray:
    """The same with a larger power."""
    return x if power == x[2] else (min(x[0], 0), max(x[1], 0), power)


def ray(math: Arithmetic, node: tuple, start: Interval) -> Ray:
    """A tree on ``[start, inf)``."""
    kind = node[0]
    in_time(math.deadline)
    if kind in ("number", "pi", "e"):
        return (*math.evaluate(node, [start])[0], NONE)
    if kind in ("x", "ray"):
        return (*start, Fraction(1)) if kind == "x" else node[1]
    if kind == "sin":  # of what has a value
        ray(math, node[1], start)
        return -math.one, math.one, NONE
    if kind in SWITCHED:
        low, high, _ = ray(math, switch(node), start)
        if low == high == 0:
            return ray(math, chosen(node, 0), start)
        open_end = kind in CONTINUOUS  # both branches agree where the switch is zero
        above, below = (low > 0, high < 0) if not open_end else (low >= 0, high <= 0)
        need(above or below, "a branch switches on a half-line")
        return ray(math, chosen(node, 1 if above else -1), start)
    if kind == "clipped":
        return ray(math, node[1], start)
    if kind == "+":
        merged = complement(node)
        return ray(math, merged, start) if merged else added(*(ray(math, part, start) for part in node[1:]))
    if kind == "^" and node[2][0] != "number":
        return ray(math, ("exp", ("*", node[2], ("log", node[1]))), start)
    u = ray(math, node[1], start)
    if kind == "neg":
        return -u[1], -u[0], u[2]
    if kind == "^":
        return power(math, u, node[2][1])
    if kind in ("*", "/"):
        other = ray(math, node[2], start)
        return product(math, u, other if kind == "*" else inverse(math, other))
    return function(math, kind, u, start)


def complement(node: tuple) -> tuple | None:
    """``1 + erf(u)`` as ``erfc(-u)``, ``1 + tanh(u)`` as ``2 sigmoid(2 u)``, whose decays are known; or None."""
    two = ("number", Fraction(2))
    for one, part in (node[1:], node[:0:-1]):
        inner = part[1] if part[0] == "neg" else part
        if one == ONE and inner[0] == "erf":
            return ("erfc", inner[1] if part[0] == "neg" else ("neg", inner[1]))
        if one == ONE and inner[0] == "tanh":
            u = ("*", two, inner[1])
            return ("*", two, ("sigmoid", ("neg", u) if part[0] == "neg" else u))
    return None


def function(math: Arithmetic, kind: str, u: Ray, start: Interval) -> Ray:
    """An elementary function of a ray."""
    low, high, k = u
    falling, rising = k > 0 and high < 0, k > 0 and low > 0
    largest = LARGEST << math.bits
    if kind == "exp" and high > largest:
        if rising or (not k and low > largest):
            return math.exp(min(low, largest))[0], inf, steepness(math, low, k)
        high, u = inf, (low, inf, k)
    if kind == "rising":
        return (math.log(low)[0], inf, NONE) if rising else function(math, "log", u, start)
    if kind in ("expm1", "log1p") and k < 0 and -math.one < low and high < inf:
        # f(u) / u rises, or falls, and is 1 at 0.
        known = [(end, end) for end in (low, high) if end]
        ratios = [(math.one, math.one), *(math.div(math.evaluate((kind, ("x",)), [end])[0], end) for end in known)]
        return product(math, u, (min(ratio[0] for ratio in ratios), max(ratio[1] for ratio in ratios), NONE))
    if falling and kind in ("exp", "softplus", "sigmoid"):  # the others are between 0 and exp
        return 0, math.exp(high)[1], -steepness(math, -high, k)
    if rising and kind == "exp":
        return math.exp(min(low, largest))[0], inf, steepness(math, low, k)
    if rising and kind == "softplus":  # u < softplus(u) < u + exp(-u)
        return added(u, (0, math.exp(-low)[1], NONE))
    if kind == "erfc":  # between 0 and exp(-u^2) for positive u
        if rising:
            low, high, k = product(math, u, u)
            return function(math, "exp", (-high, -low, k), start)
        low, high, _ = function(math, "erf", u, start)
        return math.one - high, math.one - low, NONE
    if kind in ("tanh", "atan", "asinh") and k < 0:  # f(u) / u is between 0 and 1
        return product(math, u, (0, math.one, NONE))
    if kind == "erf" and k < 0:  # between 0 and 2 / sqrt(pi) < 17 / 15
        return product(math, u, (0, -(-17 * math.one // 15), NONE))
    if kind in TEMPLATES:
        return ray(math, substituted(TEMPLATES[kind], ("ray", u)), start)
    if kind == "log" and k:  # log(c y^k) = log(c) + k log(y), and log(y) <= sqrt(y)
        below, above = math.exact(k)
        of_y = min(below, 0), max(above, 0), Fraction(1, 2)
        return added(function(math, "log", (low, high, NONE), start), of_y)
    if kind == "sqrt":
        return power(math, u, Fraction(1, 2))
    quarter = -(-math.pi[1] >> 1)
    limits = {"exp": (0, inf), "erf": (-math.one, math.one), "atan": (-quarter, quarter), "asinh": (-inf, inf)}
    need(kind in limits or kind == "log", "a function that the verifier does not follow to infinity")
    bottom, top = limits.get(kind, (None, inf))
    low, high = plain(u)
    need(low > -inf or bottom is not None, "a function outside its domain on a half-line")
    ends = [math.evaluate((kind, ("x",)), [(end, end)])[0] if abs(end) < inf else None for end in (low, high)]
    return ends[0][0] if ends[0] else bottom, ends[1][1] if ends[1] else top, NONE


def steepness(math: Arithmetic, least: int, k: Fraction) -> Fraction:
    """How many powers of y an exponential of ``least y^k`` may give."""
    return Fraction(min(64, int(k * least) >> math.bits))


def added(x: Ray, y: Ray) -> Ray:
    """The sum of two rays."""
    most = max(x[2], y[2])
    (a, b, _), (c, d, _) = raised(x, most), raised(y, most)
    return total(a, c), total(b, d), most


def total(a: Any, b: Any) -> Any:
    """The sum of two bounds on the same side, of which either may be infinite."""
    return a if abs(a) == inf else b if abs(b) == inf else a + b


def product(math: Arithmetic, x: Ray, y: Ray) -> Ray:
    """The product of two rays: an infinite bound is not attained, so that zero times it is zero."""
    products: list[Any] = []
    for a in x[:2]:
        for b in y[:2]:
            finite = abs(a) < inf and abs(b) < inf
            products.append(a * b if finite else 0 if not (a and b) else inf if (a > 0) == (b > 0) else -inf)
    low, high = min(products), max(products)
    low, high = low >> math.bits if low > -inf else low, -(-high >> math.bits) if high < inf else high
    return low, high, x[2] + y[2]


def inverse(math: Arithmetic, x: Ray) -> Ray:
    """The reciprocal of a ray."""
    low, high, power = x
    need(low > 0 or high < 0, "a denominator may vanish on a half-line")
    square = math.one**2
    return 0 if high == inf else square // high, 0 if low == -inf else -(-square // low), -power


def power(math: Arithmetic, x: Ray, exponent: Fraction) -> Ray:
    """A power of a ray."""
    need(abs(exponent) <= 64, "a power above 64")
    low, high, k = x
    out: Ray = (math.one, math.one, NONE)
    if exponent.denominator > 1:
        need(low >= 0, "a power of a negative number on a half-line")
        tree = ("^", ("x",), ("number", abs(exponent)))
        ends = [math.evaluate(tree, [(end, end)])[0] if end < inf else (inf, inf) for end in (low, high)]
        out = ends[0][0], ends[1][1], k * abs(exponent)
    else:
        if exponent % 2 == 0 and low < 0:
            low, high = (-high, -low) if high <= 0 else (0, max(-low, high))
        for _ in range(abs(int(exponent))):
            out = product(math, out, (low, high, k))
    return inverse(math, out) if exponent < 0 else out


def substituted(node: tuple, inner: tuple) -> tuple:
    """A tree with another one in the place of x."""
    if node[0] == "x":
        return inner
    if node[0] in ("number", "pi", "e"):
        return node
    if node[0] == "clipped":
        return ("clipped", substituted(node[1], inner), node[2])
    return (node[0], *(substituted(part, inner) for part in node[1:]))
