"""Claims about the rational alone: range, saturation, monotonicity and slope, as signs of polynomials."""

from fractions import Fraction
from math import inf
from typing import Any

from . import polynomials
from .reading import must, need, number
from .steps import FORMATS

__all__ = ["SHAPES", "arguments", "holds", "worded"]

SHAPES = {
    "error": 1,
    "best": 1,
    "range": 2,
    "saturation": 4,
    "monotone": 1,
    "lipschitz": 1,
    "derivative": 1,
    "format": 1,
    "rounding": 4,
}
"""The claims, and how many arguments each has."""
WORDS = {
    "monotone": (("increasing", "decreasing"),),
    "format": (tuple(FORMATS),),
    "rounding": (("float64", "float32"), ("horner", "estrin", "clenshaw"), ("fma", "no fma")),
}


def arguments(name: Any, given: Any) -> list[Any]:
    """The arguments of a claim: words from short lists first, then exact numbers."""
    need(name in SHAPES, "the verifier does not know a claim")
    must(isinstance(given, list) and len(given) == SHAPES[name], f"the claim {name} has another number of arguments")
    words = WORDS.get(name, ())
    for word, allowed in zip(given, words):
        must(word in allowed, f"the claim {name} takes one of {', '.join(allowed)}")
    numbers = [number(text, name in ("range", "saturation")) for text in given[len(words) :]]
    if name == "saturation":
        must(numbers[0] < numbers[1] and abs(numbers[2]) + abs(numbers[3]) < inf, "a saturation has no interval")
    if name in ("error", "lipschitz", "derivative", "rounding"):
        must(numbers[0] >= 0, "no size is below 0")
    if name == "range":
        must(numbers[0] < inf and numbers[1] > -inf, "a range has no values")
    return [*given[: len(words)], *numbers]


def worded(name: str, a: list[str], best: str) -> tuple[str, str]:
    """What a claim with these arguments says, and how it is checked."""
    bernstein = "signs of polynomials, by Bernstein coefficients"
    return {
        "error": lambda: (f"error <= {a[0]}", "from the upper bound"),
        "best": lambda: (f"error <= {a[0]} times the smallest error of {best}", "from the two bounds"),
        "range": lambda: (f"{a[0]} <= r <= {a[1]} on the domain", bernstein),
        "saturation": lambda: (f"no pole and abs(r - {a[2]}) <= {a[3]} from {a[0]} to {a[1]}", bernstein),
        "monotone": lambda: (f"r is {a[0]} on every interval of the domain", bernstein),
        "lipschitz": lambda: (f"abs(r') <= {a[0]} on the domain", bernstein),
        "derivative": lambda: (f"abs(f' - r') <= {a[0]}, one-sided at switches and breakpoints", "Taylor models"),
        "format": lambda: (f"every coefficient is a number of {a[0]}", "each looked at"),
        "rounding": lambda: (
            f"evaluated in {a[0]} by {a[1].title()}'s scheme ({a[2]}), at every number of {a[0]} in the domain: "
            f"w abs(computed - r) <= {a[3]}",
            "running error analysis",
        ),
    }[name]()


def holds(
    name: str, values: list[Any], top: list[Fraction], bottom: list[Fraction], domain: list[Any], deadline: float
) -> bool | None:
    """Whether a range, saturation, monotonicity or Lipschitz bound holds: as polynomials nowhere negative."""
    if name == "saturation":
        start, end, limit, tolerance = values
        domain, name, values = [(start, end)], "range", [limit - tolerance, limit + tolerance]
        free = polynomials.pole_free(bottom, domain, deadline)
        if not free:
            return free
    answers: list[bool | None] = []
    for lower, upper in domain:
        sign = polynomials.side(bottom, lower, upper)
        p, q = ([sign * c for c in poly] for poly in (top, bottom))
        slope = _slope(p, q)
        negative, square = [-c for c in slope], polynomials.product(q, q)
        if name == "range":
            tests = [polynomials.combined(p, q, -values[0])] if values[0] > -inf else []
            tests += [polynomials.combined([-c for c in p], q, values[1])] if values[1] < inf else []
        elif name == "monotone":
            tests = [slope if values[0] == "increasing" else negative]
        else:
            tests = [polynomials.combined(each, square, values[0]) for each in (slope, negative)]
        answers += [polynomials.one_sign(test, lower, upper, False, deadline) for test in tests]
    return polynomials.both(answers)


def _slope(p: list[Fraction], q: list[Fraction]) -> list[Fraction]:
    slopes = [[k * c for k, c in enumerate(poly)][1:] or [Fraction(0)] for poly in (p, q)]
    return polynomials.combined(polynomials.product(slopes[0], q), polynomials.product(p, slopes[1]), Fraction(-1))
