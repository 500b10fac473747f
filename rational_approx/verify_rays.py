"""The verifier: bounds of an expression on a half-line.

Standard library only; see ``verify.py``.
"""

from math import inf
from typing import Any

if __package__:
    from rational_approx.verify_arithmetic import TEMPLATES, Arithmetic, Interval
    from rational_approx.verify_reading import SWITCHED, chosen, in_time, need
else:  # run alone, beside the other files
    from verify_arithmetic import TEMPLATES, Arithmetic, Interval  # type: ignore[import-not-found, no-redef]
    from verify_reading import SWITCHED, chosen, in_time, need  # type: ignore[import-not-found, no-redef]

__all__ = ["ray", "substituted"]


def ray(math: Arithmetic, node: tuple, start: Interval) -> tuple[Any, Any]:
    """Bounds of a tree on ``[start, inf)``, infinite where there is none."""
    kind = node[0]
    in_time(math.deadline)
    if kind in ("number", "pi", "e"):
        return math.evaluate(node, [start])[0]
    if kind == "x":
        return start[0], inf
    if kind in TEMPLATES:
        return ray(math, substituted(TEMPLATES[kind], node[1]), start)
    if kind == "sin":
        return -math.one, math.one
    if kind in SWITCHED:
        low, high = ray(math, ("+", node[1], ("neg", node[2])) if kind in ("min", "max") else node[1], start)
        need(low >= 0 or high <= 0, "a branch switches on a half-line")
        return ray(math, chosen(node, 1 if low >= 0 else -1), start)
    low, high = ray(math, node[1], start)
    if kind == "clipped":
        return low, high
    if kind == "neg":
        return -high, -low
    if kind == "^":
        if node[2][0] != "number" or node[2][1].denominator > 1:
            return ray(math, ("exp", ("*", node[2], ("log", node[1]))), start)
        return ray_power(math, low, high, int(node[2][1]))
    if kind in ("+", "*", "/"):
        below, above = ray(math, node[2], start)
        if kind == "+":
            return plus(low, below), plus(high, above)
        return ray_product(math, (low, high), (below, above) if kind == "*" else ray_inverse(math, below, above))
    quarter = -(-math.pi[1] >> 1)
    limits = {"exp": (0, inf), "erf": (-math.one, math.one), "atan": (-quarter, quarter), "asinh": (-inf, inf)}
    need(kind in limits or kind in ("log", "sqrt"), "a function that the verifier does not follow to infinity")
    bottom, top = limits.get(kind, (None, inf))
    need(low > -inf or bottom is not None, "a function outside its domain on a half-line")
    ends = [math.evaluate((kind, ("x",)), [(end, end)])[0] if abs(end) < inf else None for end in (low, high)]
    return ends[0][0] if ends[0] else bottom, ends[1][1] if ends[1] else top


def ray_product(math: Arithmetic, x: tuple[Any, Any], y: tuple[Any, Any]) -> tuple[Any, Any]:
    """The product of two half-line bounds: an infinite end is not attained, so that zero times it is zero."""
    products: list[Any] = []
    for a in x:
        for b in y:
            finite = abs(a) < inf and abs(b) < inf
            products.append(a * b if finite or not (a and b) else inf if (a > 0) == (b > 0) else -inf)
    products = [p if p == p else 0 for p in products]
    low, high = min(products), max(products)
    return low >> math.bits if low > -inf else low, -(-high >> math.bits) if high < inf else high


def ray_inverse(math: Arithmetic, low: Any, high: Any) -> tuple[Any, Any]:
    """The reciprocal of half-line bounds."""
    need(low > 0 or high < 0, "a denominator may vanish on a half-line")
    square = math.one**2
    return 0 if high == inf else square // high, 0 if low == -inf else -(-square // low)


def ray_power(math: Arithmetic, low: Any, high: Any, exponent: int) -> tuple[Any, Any]:
    """An integer power of half-line bounds."""
    need(abs(exponent) <= 64, "a power above 64")
    if exponent % 2 == 0 and low < 0:
        low, high = (-high, -low) if high <= 0 else (0, max(-low, high))
    out: tuple[Any, Any] = (math.one, math.one)
    for _ in range(abs(exponent)):
        out = ray_product(math, out, (low, high))
    return ray_inverse(math, *out) if exponent < 0 else out


def plus(a: Any, b: Any) -> Any:
    """The sum of two bounds on the same side, of which either may be infinite."""
    return a if abs(a) == inf else b if abs(b) == inf else a + b


def substituted(node: tuple, inner: tuple) -> tuple:
    """A tree with another one in the place of x."""
    if node[0] == "x":
        return inner
    return node if node[0] in ("number", "pi", "e") else (node[0], *(substituted(part, inner) for part in node[1:]))
