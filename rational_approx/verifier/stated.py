"""What a certificate states, read and put into words: the question, the rational, the class of competitors, the bounds.

Each statement is a sentence, the name of its proof, and a function that confirms it, or raises `Refuted` or `Failure`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from itertools import pairwise, product
from typing import Any, NamedTuple

from . import claims, polynomials
from .reading import Failure, Refuted, must, need, number, shown
from .steps import FORMATS, is_format_number

__all__ = ["Reference", "Stated", "To_check", "decimal"]

MOST_GAPS = 6
CLASSES = {
    "one sign": "whose Q keeps one sign on the whole domain",
    "any sign": "whose Q keeps one sign on each interval of the domain (any sign: it may differ between intervals)",
}
To_check = tuple[str, str, Callable[[], None]]


class Reference(NamedTuple):
    """Points at which an error alternates: for which signs of the competitors' Q, and of which rational."""

    signs: tuple[int, ...]
    points: list[tuple[int, Any, int]]
    top: list[Fraction]
    bottom: list[Fraction]


def decimal(value: Any, up: bool | None = None) -> str:
    """A number as text: exact where it is short or may not be rounded, else with 10 digits, rounded up or down."""
    if not isinstance(value, Fraction):
        return "inf" if value > 0 else "-inf"
    bits = value.numerator.bit_length(), value.denominator.bit_length()
    plain = str(value) if sum(bits) < 140 else ""  # Python writes no integer of more than some thousand digits
    if plain and (len(plain) <= 10 or up is None):
        return plain
    if up is None:
        return f"about {decimal(value, False)}"
    context = Context(prec=10, rounding=ROUND_CEILING if up else ROUND_FLOOR, Emin=MIN_EMIN, Emax=MAX_EMAX)
    rounded = context.divide(Decimal(value.numerator), Decimal(value.denominator))
    body, exponent = f"{rounded.normalize(context):e}".split("e")
    return body + (f"e{int(exponent)}" if int(exponent) else "")


def within(value: Any, kind: Any, message: str) -> Any:
    """The value, if it is of a type of JSON."""
    must(isinstance(value, kind) and not (kind is int and isinstance(value, bool)), message)
    return value


class Stated(ABC):
    """The statements that need no target: the domain, the polynomials, the type, the class, claims about r alone."""

    def __init__(self, content: dict[str, Any], fine: int, deadline: float) -> None:
        self.content, self.fine, self.deadline = content, fine, deadline
        target, rational = content["target"], content["rational"]
        self.lower, self.upper, self.best = (number(content[key]) for key in ("lower", "upper", "best_lower"))
        must(0 <= self.lower <= self.upper and self.best >= 0, "the lower bound lies above the upper bound, or below 0")
        self.domain = intervals(target["domain"])
        breakpoints = [number(b) for b in within(target.get("breakpoints", []), list, "breakpoints are no list")]
        need(len(self.domain) + len(breakpoints) <= 1000, "too many pieces for the verifier")
        must(all(a < b for a, b in pairwise(breakpoints)), "the breakpoints do not increase")
        inside = all(any(a <= c <= b for a, b in self.domain) for c in breakpoints)
        must(inside, "a breakpoint lies outside of the domain")
        self.pieces: list[tuple[Any, Any]] = []
        self.interval_of: list[int] = []
        for index, (a, b) in enumerate(self.domain):
            cut = list(pairwise([a, *(c for c in breakpoints if a < c < b), b]))
            self.pieces += cut
            self.interval_of += [index] * len(cut)
        own = intervals(rational["domain"])
        self.hull = own[0][0], own[-1][1]
        self.basis, self.format = rational["basis"], rational["format"]
        must(self.format in ("exact", *FORMATS), f"the format is none of exact, {', '.join(FORMATS)}")
        self.written = [coefficients(rational[key]) for key in ("numerator", "denominator")]
        self.top, self.bottom = (polynomials.powers(c, self.basis, self.hull, deadline) for c in self.written)
        must(any(self.bottom), "the denominator is zero")
        p, q = within(content["type"], list, "the type is no pair")
        must(type(p) is int and type(q) is int and 0 <= p <= 1000 and 0 <= q <= 1000, "the type is no pair of integers")
        must(len(self.top) <= p + 1 and len(self.bottom) <= q + 1, "the type is smaller than the degrees")
        self.type = (p, q)
        self.competitors = content["competitors"]
        must(self.competitors in CLASSES, "the class of competitors is not known")
        self.references = [self.reference(entry) for entry in within(content["references"], list, "no references")]
        self.claims = []
        for claim in within(content["claims"], list, "the claims are no list"):
            must(set(claim) == {"name", "arguments", "status", "witness"}, "a claim has other keys than it should")
            must(claim["status"] == "proved" and claim["witness"] is None, "a claim is not stated as proved")
            self.claims.append((claim["name"], claims.arguments(claim["name"], claim["arguments"])))

    # -- reading -----------------------------------------------------------------------------------------------------

    def place(self, entry: Any) -> tuple[int, Any]:
        """A piece and a point of it."""
        piece, x = entry[0], number(entry[1], True)
        must(type(piece) is int and 0 <= piece < len(self.pieces), "a point names no piece")
        must(self.pieces[piece][0] <= x <= self.pieces[piece][1], "a point lies outside its piece")
        return piece, x

    def reference(self, entry: Any) -> Reference:
        """A reference, of the certificate's own rational unless it brings another one."""
        must(set(entry) in ({"signs", "points"}, {"signs", "points", "numerator", "denominator"}), "a reference's keys")
        signs = tuple(within(entry["signs"], list, "the signs of a reference are no list"))
        must(len(signs) == len(self.domain) and set(signs) <= {1, -1}, "a reference has not one sign an interval")
        points = []
        for point in within(entry["points"], list, "the points of a reference are no list"):
            good = len(point) == 3 and type(point[2]) is int and abs(point[2]) == 1
            must(good, "a point of a reference has no sign")
            points.append((*self.place(point), point[2]))
        top, bottom = self.top, self.bottom
        if "numerator" in entry:
            top, bottom = (polynomials.trimmed(coefficients(entry[key])) for key in ("numerator", "denominator"))
            p, q = self.type
            good = len(top) <= p + 1 and len(bottom) <= q + 1 and any(bottom)
            must(good, "a rational of a reference is not of the type")
        return Reference(signs, points, top, bottom)

    # -- statements --------------------------------------------------------------------------------------------------

    def heading(self) -> list[str]:
        """What the statements are about."""
        p, q = self.type
        written = "powers of x" if self.basis == "monomial" else f"Chebyshev polynomials on [{self.ends(self.hull)}]"
        return [
            f"domain    {' u '.join(f'[{self.ends(pair)}]' for pair in self.domain)}",
            f"rational  r = P/Q, {len(self.written[0])} + {len(self.written[1])} exact coefficients of {written}",
            f"type      ({p}, {q}): competitors have deg P <= {p} and deg Q <= {q}, {CLASSES[self.competitors]}",
        ]

    def ends(self, pair: tuple[Any, Any]) -> str:
        """An interval's ends as text."""
        return ", ".join(map(decimal, pair))

    def rivals(self) -> str:
        """The class of competitors in words."""
        return f"any P/Q of type {self.type} {CLASSES[self.competitors]}"

    def statements(self) -> Iterator[To_check]:
        """Every statement of the certificate."""
        yield "no pole: Q keeps one strict sign on every interval of the domain", "Bernstein coefficients", self.free
        yield "the coefficients are those that were certified (one exact value of P and Q)", "evaluation", self.pinned
        low, high = decimal(self.lower, False), decimal(self.upper, True)
        if self.lower:
            at = decimal(number(self.content["witness"][1], True)) if self.content["witness"] else "no point"
            yield f"error >= {low}, reached at x = {at}", "evaluation at the witness", self.reached
        else:
            must(self.content["witness"] is None or self.place(self.content["witness"]), "the witness is no point")
        yield f"error <= {high}", self.covering, self.covered
        if self.best:
            words = f"the error of {self.rivals()} is at least {decimal(self.best, False)}"
            yield words, "de la Vallee-Poussin", self.unbeaten  # ASCII, for any terminal
        else:
            must(not self.references, "there are references without a bound that they prove")
        if self.format != "exact" and ("format", [self.format]) not in self.claims:
            yield (
                *claims.worded("format", [self.format], self.rivals()),
                lambda: self.claimed("format", [self.format]),
            )
        for name, values in self.claims:
            shown_values = [self.argument(name, k, value) for k, value in enumerate(values)]
            words, proof = claims.worded(name, shown_values, self.rivals())
            if name == "rounding":
                words += f", so that w abs(computed - f) <= {decimal(self.upper + values[3], True)}"
            yield words, proof, lambda name=name, values=values: self.claimed(name, values)  # type: ignore[misc]

    covering = ""

    def argument(self, name: str, index: int, value: Any) -> str:
        """An argument of a claim as text, rounded only to the side where the claim stays true."""
        if isinstance(value, str):
            return value
        return decimal(value, None if name == "saturation" and index < 3 else not (name == "range" and index == 0))

    def free(self) -> None:
        """No pole on the domain."""
        must(self.content["pole_free"] is True, "the certificate does not say that there is no pole")
        found = polynomials.pole_free(self.bottom, self.domain, self.deadline)
        decided(found, "the denominator vanishes on the domain")

    def pinned(self) -> None:
        """The exact values of numerator and denominator at one point."""
        x, top, bottom = (number(text) for text in self.content["value"])
        values = [polynomials.value_at(side, x, self.deadline) for side in (self.top, self.bottom)]
        must(values == [top, bottom], "a coefficient is not the stated one")

    def claimed(self, name: str, values: list[Any]) -> None:
        """One claim."""
        if name == "error":
            must(self.lower <= values[0], "the error is larger than a claim says")
            need(self.upper <= values[0], "the upper bound is larger than a claim says")
        elif name == "best":
            need(self.upper <= values[0] * self.best, "the bounds do not show that the error is so near to the best")
        elif name in ("range", "saturation", "monotone", "lipschitz"):
            found = claims.holds(name, values, self.top, self.bottom, self.domain, self.deadline)
            decided(found, f"the claim {name} is false")
        elif name == "format":
            held = all(is_format_number(c, values[0]) for side in self.written for c in side)
            must(held, f"a coefficient is no number of {values[0]}")
        else:
            self.otherwise(name, values)

    def unbeaten(self) -> None:
        """The bound for the best possible: a reference for every pattern of signs that a competitor may have."""
        patterns = [(1,) * len(self.domain)]
        if self.competitors == "any sign":
            need(len(self.domain) <= MOST_GAPS + 1, f"more than {MOST_GAPS} gaps")
            every = ((1, *rest) for rest in product((1, -1), repeat=len(self.domain) - 1))
            patterns = [each for each in every if sum(a != b for a, b in pairwise(each)) <= self.type[1]]
        found: dict[tuple[int, ...], list[Reference]] = {pattern: [] for pattern in patterns}
        for each in self.references:  # P/Q is also (-P)/(-Q)
            pattern = tuple(sign * each.signs[0] for sign in each.signs)
            must(pattern in found, "a reference is for signs that no competitor of the class has")
            found[pattern].append(each)
        for pattern, references in found.items():
            need(references, f"no reference for the signs {pattern} of the denominator")
            for each in references:
                self.alternates(each)

    def alternates(self, given: Reference) -> None:
        """The hypotheses of the theorem of de la Vallée-Poussin, one by one."""
        p, q = self.type
        defect = min(p + 1 - len(given.top), q + 1 - len(given.bottom)) if any(given.top) else q
        zeros = self.shared_zeros(given)
        count = p + q + 2 - defect - len(zeros)
        points = given.points
        must(all(a[:2] < b[:2] for a, b in pairwise(points)), "the points of a reference do not increase")
        need(len(points) >= max(1, count), f"a reference has {len(points)} points, and {count} are needed")
        free = polynomials.pole_free(given.bottom, self.domain, self.deadline)
        need(free, "the rational of a reference may have a pole on the domain")
        turns = []
        for piece, _, sign in points:
            interval = self.interval_of[piece]
            own = polynomials.side(given.bottom, *self.domain[interval])
            # Signs of the factors x - z of shared zeros are taken off: they change where a piece begins at a zero.
            turned = (-1) ** sum(zero <= self.pieces[piece][0] for zero in zeros)
            turns.append(sign * own * given.signs[interval] * turned)
        must(all(a == -b for a, b in pairwise(turns)), "the reference does not alternate")
        for piece, x, sign in points:
            self.large(piece, x, sign, given)

    # -- what depends on the target ----------------------------------------------------------------------------------

    def shared_zeros(self, given: Reference) -> set[Fraction]:
        """Where every rational of finite error agrees with the target."""
        return set()

    @abstractmethod
    def large(self, piece: int, x: Any, sign: int, given: Reference) -> None:
        """That the error at a point of a reference has its sign, and at least the size of the bound."""

    @abstractmethod
    def reached(self) -> None:
        """The lower bound at the witness."""

    @abstractmethod
    def covered(self) -> None:
        """The upper bound."""

    def otherwise(self, name: str, values: list[Any]) -> None:
        """A claim of another kind."""
        raise Failure(f"the verifier cannot check the claim {name} here")


def intervals(value: Any) -> list[tuple[Any, Any]]:
    """A union of disjoint closed intervals, in order."""
    found = [tuple(number(end, True) for end in within(pair, list, "an interval is no pair")) for pair in value]
    must(found and all(len(pair) == 2 and pair[0] < pair[1] for pair in found), "the domain is no list of intervals")
    must(all(a[1] < b[0] for a, b in pairwise(found)), "the domain's intervals overlap or are not in order")
    return found


def coefficients(value: Any) -> list[Fraction]:
    """Exact coefficients, lowest degree first."""
    must(isinstance(value, list) and value, "the coefficients are no list")
    need(len(value) <= 300, "the degree is too high for the verifier")
    need(sum(len(c) for c in value if isinstance(c, str)) <= 150_000, "the coefficients are too long for the verifier")
    return [number(c) for c in value]


def decided(answer: bool | None, false: str) -> None:
    """Raise unless the answer is yes."""
    if answer is False:
        raise Refuted(false)
    need(answer, shown(f"not decided whether {false}", 200))
