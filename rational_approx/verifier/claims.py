"""The verifier: what a certificate states, its claims about the rational, and samples.

Standard library only.
"""

from copy import copy
from fractions import Fraction
from itertools import pairwise
from math import inf, lcm
from typing import Any

from . import polynomials
from . import reading

__all__ = ["Samples", "Stated", "holds", "slopes"]

need = reading.need


class Stated:
    """The statements of a certificate that need no target: bounds, domain, polynomials, type."""

    def __init__(self, content: dict[str, Any], deadline: float) -> None:
        target, rational = content["target"], content["rational"]
        need(content["status"] == "proved", "the certificate does not say that anything is proved")
        self.deadline = deadline
        self.lower, self.upper, self.best = (reading.number(content[key]) for key in ("lower", "upper", "best_lower"))
        self.domain = [(reading.number(a, True), reading.number(b, True)) for a, b in target["domain"]]
        breakpoints = sorted(reading.number(b) for b in target["breakpoints"])
        need(self.domain and all(a < b for a, b in self.domain), "the domain is not a list of intervals")
        need(
            len(self.domain) + len(breakpoints) <= 1000 and len(content["parts"]) <= 50_000, "too many pieces or parts"
        )
        need(all(a[1] < b[0] for a, b in pairwise(self.domain)), "the domain's intervals overlap")
        self.pieces: list[tuple[Any, Any]] = []
        for a, b in self.domain:
            self.pieces += pairwise([a, *(c for c in breakpoints if a < c < b), b])
        hull = [reading.number(end, True) for end in (rational["domain"][0][0], rational["domain"][-1][1])]
        need(len(rational["numerator"]) + len(rational["denominator"]) <= 300, "the degree is too high")
        long = sum(len(c) for key in ("numerator", "denominator") for c in rational[key])
        need(long <= 150_000, "the coefficients are too long")
        sides = [[reading.number(c) for c in rational[key]] for key in ("numerator", "denominator")]
        self.top, self.bottom = (polynomials.powers(side, rational["basis"], hull) for side in sides)
        p, q = content["type"]
        need(type(p) is int and type(q) is int, "the type is not a pair of integers")
        need(len(self.top) <= p + 1 and len(self.bottom) <= q + 1, "the type is smaller than the degrees")
        self.zeros: set[Fraction] = set()
        """Where every rational of finite error agrees with the target: each takes a point off the reference."""
        defect = max(0, min(p + 1 - len(self.top), q + 1 - len(self.bottom))) if any(self.top) else q
        self.count = p + q + 2 - defect

    def pinned(self, value: list[Any]) -> None:
        """The exact values of numerator and denominator at one point."""
        x, top, bottom = (reading.number(text) for text in value)
        stated = polynomials.value_at(self.top, x), polynomials.value_at(self.bottom, x)
        need(stated == (top, bottom), "a coefficient is not the stated one")

    def alternating(self, reference: list[Any]) -> list[tuple[int, Any, int]]:
        """The points of the reference: as many as are needed, in order, with alternating signs."""
        need(max(self.lower, self.best) <= self.upper, "a lower bound lies above the upper bound")
        need(self.best == 0 or reference, "no reference shows the lower bound for the best")
        places = [(piece, reading.number(x, True), sign) for piece, x, sign in reference]
        need(
            not places or len(places) >= self.count - len(self.zeros),
            f"the reference has {len(places)} points, and {self.count - len(self.zeros)} are needed",
        )
        # Taking off the factors x - z of the zeros, whose signs change where a piece begins at a zero.
        turns = [sign * (-1) ** sum(zero <= self.pieces[piece][0] for zero in self.zeros) for piece, _, sign in places]
        need(
            all(a[:2] < b[:2] for a, b in pairwise(places)) and all(a == -b for a, b in pairwise(turns)),
            "the reference does not alternate",
        )
        return places

    def claim(self, name: str, arguments: list[Any], status: str) -> None:
        """One further statement."""
        need(status == "proved", f"the claim {name} is not stated as proved")
        values = [a if name == "monotone" else reading.number(a, name in ("range", "saturation")) for a in arguments]
        if name in ("error", "best"):
            found = self.upper <= values[0] * (1 if name == "error" else self.best)
        elif name == "derivative":
            found = self.slope_below(values[0])
        else:
            found = holds(name, values, self.top, self.bottom, self.domain, self.deadline)
        need(found, f"the claim {str(name)[:40]} is not confirmed")

    def slope_below(self, bound: Fraction) -> bool:
        """Whether the error of the derivative is at most a bound; samples have no derivative."""
        return False


class Samples(Stated):
    """The certificate of a rational against samples: everything in integers."""

    def __init__(self, content: dict[str, Any], deadline: float) -> None:
        super().__init__(content, deadline)
        need(len(content["target"]["samples"]) <= 200_000, "there are too many samples")
        self.samples: dict[Fraction, tuple[Fraction, Fraction]] = {}
        for x, y, weight in content["target"]["samples"]:
            at = reading.number(x)
            need(at not in self.samples, "a sample occurs twice")
            self.samples[at] = (reading.number(y), reading.number(weight))
        self.size = max(len(self.top), len(self.bottom))
        common = lcm(*(c.denominator for c in self.top + self.bottom))
        self.whole = [[int(c * common) for c in side] for side in (self.top, self.bottom)]

    def error(self, x: Any) -> tuple[int, int]:
        """The weighted error at a sample, as a numerator and a positive denominator."""
        need(x in self.samples, "a point is no sample")
        y, weight = self.samples[x]
        values = []
        for side in self.whole:  # both polynomials times the same power of the denominator of x
            total, power = 0, x.denominator ** (self.size - len(side))
            for c in reversed(side):
                total, power = total * x.numerator + c * power, power * x.denominator
            values.append(total)
        (top, bottom), sign = values, 1 if values[1] > 0 else -1
        need(bottom, "the denominator vanishes at a sample")
        over = weight.numerator * (y.numerator * bottom - y.denominator * top)
        return sign * over, sign * weight.denominator * y.denominator * bottom

    def attained(self, witness: Any, reference: list[Any]) -> None:
        """The lower bound at the witness, and the alternation at the reference."""
        places = self.alternating(reference)
        over, under = self.error(reading.number(witness[1]))
        need(abs(over) >= self.lower * under, "the error at the witness is below the lower bound")
        for _, x, sign in places:
            over, under = self.error(x)
            need(self.samples[x][1] > 0, "the weight at a reference point is not positive")
            need(sign in (1, -1) and sign * over > 0, f"the error at {float(x):.6g} is not as stated")
            need(sign * over >= self.best * under, f"the error at {float(x):.6g} is not as stated")

    def covered(self) -> None:
        """That the upper bound holds at every sample."""
        need(self.samples, "there are no samples")
        for x in self.samples:
            reading.in_time(self.deadline)
            over, under = self.error(x)
            need(
                abs(over) * self.upper.denominator <= self.upper.numerator * under,
                f"the upper bound does not hold at {float(x):.6g}",
            )


def slopes(checker: Any) -> Any:
    """The same checker for the derivative of the error with weight 1."""
    other, one = copy(checker), ("number", Fraction(1))
    need(len(checker.curves) == len(checker.pieces), "the error of a derivative is not followed to infinity")
    other.curves = {
        piece: type(curve)(curve.math, [curve.trees[0], one], curve.sides, curve.order, 1)
        for piece, curve in enumerate(checker.plain)
    }
    return other


def holds(
    name: str, values: list[Any], top: list[Fraction], bottom: list[Fraction], domain: list[Any], deadline: float
) -> bool:
    """Whether a range, saturation, monotonicity or Lipschitz bound holds: as polynomials nowhere negative."""
    if name == "saturation":
        start, end, limit, tolerance = values
        need(start < end and abs(limit) + abs(tolerance) < inf, "a claim of saturation has no interval")
        domain, name, values = [(start, end)], "range", [limit - tolerance, limit + tolerance]
        if not polynomials.pole_free(bottom, domain, deadline):
            return False
    for lower, upper in domain:
        q = polynomials.signed(bottom, lower, upper)
        p = top if q == bottom else [-c for c in top]
        slope = _slope(p, q)
        negative, square = [-c for c in slope], polynomials.product(q, q)
        if name == "range":
            tests = [polynomials.combined(p, q, -values[0])] if values[0] > -inf else []
            tests += [polynomials.combined([-c for c in p], q, values[1])] if values[1] < inf else []
        elif name == "monotone":
            need(values[0] in ("increasing", "decreasing"), "a claim of monotonicity has no direction")
            tests = [slope if values[0] == "increasing" else negative]
        else:
            need(name == "lipschitz", f"the claim {str(name)[:40]!r} is not known")
            tests = [polynomials.combined(side, square, values[0]) for side in (slope, negative)]
        if not all(polynomials.one_sign(test, lower, upper, False, deadline) for test in tests):
            return False
    return True


def _slope(p: list[Fraction], q: list[Fraction]) -> list[Fraction]:
    slopes = [[k * c for k, c in enumerate(poly)][1:] or [Fraction(0)] for poly in (p, q)]
    return polynomials.combined(polynomials.product(slopes[0], q), polynomials.product(p, slopes[1]), Fraction(-1))
