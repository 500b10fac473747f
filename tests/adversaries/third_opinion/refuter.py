"""The refuter: shows that a statement is false by a point, or finds nothing. It never refutes what is true.

What is about r alone, and about samples, is decided in fractions. An error is compared at an exact point, evaluated
with 60 and with 110 digits. Only another rational's largest error (for *best*) rests on a search, with a margin.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import mpmath

from tests.adversaries.third_opinion import polynomials
from tests.adversaries.third_opinion.about_r import about_r, fits, signs_of
from tests.adversaries.third_opinion.competitors import better, better_samples
from tests.adversaries.third_opinion.error import Ratio, error_at, largest, peaks
from tests.adversaries.third_opinion.meaning import Meaning, Unreadable, meaning
from tests.adversaries.third_opinion.slopes import slope_peak
from tests.adversaries.third_opinion.values import Unsure, mpf

__all__ = [
    "Counterexample",
    "Statement",
    "above",
    "admissible",
    "fits",
    "ratio_of",
    "refute",
    "refute_claim",
    "signs_of",
]

DIGITS = 110
MARGIN = mpmath.mpf(10) ** -30
SEARCHED = mpmath.mpf(10) ** -9
"""The margin where a largest value was searched for, and not its size at one point."""
SHAPES = {
    "error": 1,
    "best": 1,
    "range": 2,
    "saturation": 4,
    "monotone": 1,
    "lipschitz": 1,
    "derivative": 1,
    "format": 1,
}


class Counterexample(NamedTuple):
    """What is false, at which point, and how it is seen."""

    what: str
    x: Any = None
    note: str = ""


@dataclass(frozen=True)
class Statement:
    """Everything that a certificate says; bounds that are None are not stated."""

    expression: str
    weight: str
    domain: tuple[tuple[Any, Any], ...]
    numerator: tuple[Fraction, ...]
    denominator: tuple[Fraction, ...]
    type: tuple[int, int]
    breakpoints: tuple[Fraction, ...] = ()
    samples: tuple[tuple[Fraction, Fraction, Fraction], ...] | None = None
    basis: str = "monomial"
    hull: tuple[tuple[Any, Any], ...] = ()
    format: str = "exact"
    competitors: str = "one sign"
    lower: Fraction | None = Fraction(0)
    upper: Fraction | None = None
    best_lower: Fraction = Fraction(0)
    witness: tuple[int, Any] | None = None
    claims: tuple[tuple[Any, ...], ...] = ()
    references: tuple[Any, ...] = ()
    parts: tuple[tuple[int, Any, Any], ...] = ()
    value: tuple[Fraction, Fraction, Fraction] | None = None
    rivals: tuple[Ratio, ...] = ()
    """Other rationals of the type that may be better; known to the maker of the statement alone."""


def ratio_of(stated: Statement) -> Ratio:
    """P / Q in powers of x."""
    if stated.basis == "monomial":
        return Ratio(polynomials.trimmed(stated.numerator), polynomials.trimmed(stated.denominator))
    hull = stated.hull or stated.domain
    low, high = hull[0][0], hull[-1][1]
    return Ratio(*(polynomials.from_chebyshev(side, low, high) for side in (stated.numerator, stated.denominator)))


def refute(stated: Statement, deep: bool = False) -> Counterexample | None:
    """What is false in a statement, or None; ``deep`` looks for better rationals with linear programs."""
    with mpmath.workdps(DIGITS):  # also where a fraction is only compared with a number of mpmath
        return _refuted(stated, deep)


def _refuted(stated: Statement, deep: bool) -> Counterexample | None:
    if not any(stated.denominator):
        return Counterexample("malformed", None, "the denominator is zero")
    r = ratio_of(stated)
    if stated.value is not None:
        x, top, bottom = stated.value
        if (polynomials.at(r.top, x), polynomials.at(r.bottom, x)) != (top, bottom):
            return Counterexample("value", x)
    if stated.format != "exact" and not fits([*stated.numerator, *stated.denominator], stated.format):
        return Counterexample("format of the rational")
    signs = signs_of(r.bottom, stated.domain)
    if isinstance(signs, Fraction):
        return Counterexample("pole", signs)
    if stated.lower is not None and stated.upper is not None and max(stated.lower, stated.best_lower) > stated.upper:
        return Counterexample("bounds in disorder")
    if stated.samples is not None:
        return _samples(stated, r, deep)
    try:
        meant = meaning(stated.expression, stated.weight, stated.domain, stated.breakpoints)
    except Unreadable as problem:
        return Counterexample("unreadable", None, str(problem))
    if meant.undefined:
        return Counterexample("undefined", *meant.undefined)
    if meant.doubt:
        return _claims(stated, None, r)
    return _bounds(stated, meant, r, deep) or _claims(stated, meant, r)


def above(size: Any, bound: Any) -> bool:
    """Whether a number of mpmath lies above a bound, by more than it may be wrong."""
    with mpmath.workdps(DIGITS):
        stated = mpf(bound)
        return bool(size > stated + abs(stated) * MARGIN)


def _bounds(stated: Statement, meant: Meaning, r: Ratio, deep: bool) -> Counterexample | None:
    top = largest(meant, r)
    if top is None:
        return None
    if stated.upper is not None and above(top.size, stated.upper):
        return Counterexample("upper", top.x, f"{mpmath.nstr(mpf(top.size), 20)} > {float(stated.upper):.17g}")
    if stated.lower:
        found = _lower(stated, meant, r)
        if found:
            return found
    return _best(stated, meant, r, deep)


def _lower(stated: Statement, meant: Meaning, r: Ratio) -> Counterexample | None:
    if stated.witness is None:  # a search may miss a narrow peak, so that nothing is said
        return None
    piece, x = stated.witness
    if not 0 <= piece < len(meant.pieces) or not meant.pieces[piece][0] <= x <= meant.pieces[piece][1]:
        return Counterexample("lower", x, "the witness is not in its piece")
    found = _size_at(meant, r, piece, x)
    if found is not None and above(mpf(stated.lower), found):
        return Counterexample("lower", x, f"{mpmath.nstr(found, 20)} < {float(stated.lower):.17g}")
    return None


def _size_at(meant: Meaning, r: Ratio, piece: int, x: Any) -> Any:
    """The largest error at a point from inside its piece, None where it is not to be had."""
    if not isinstance(x, Fraction) or x in meant.infinite:
        return None
    near = [g for g in meant.regions if g.piece == piece and g.low <= x <= g.high]
    if not near or not all(region.holds(x) for region in near):
        return None
    try:
        return max(mpf(abs(error_at(region, r, x))) for region in near)
    except Unsure:
        return None


def admissible(stated: Statement, rival: Ratio) -> bool:
    """Whether a rational is of the type and in the class of competitors."""
    p, q = stated.type
    domain = stated.domain
    if stated.samples is not None:
        values = [polynomials.at(rival.bottom, x) for x, _, _ in stated.samples]
        return len(rival.top) <= p + 1 and len(rival.bottom) <= q + 1 and (min(values) > 0 or max(values) < 0)
    if len(rival.top) > p + 1 or len(rival.bottom) > q + 1:
        return False
    signs = signs_of(rival.bottom, domain)
    if isinstance(signs, Fraction):
        return False
    return stated.competitors == "any sign" or len(set(signs)) == 1


def _best(stated: Statement, meant: Meaning, r: Ratio, deep: bool) -> Counterexample | None:
    """Another rational with a smaller error; where the file itself names a point at which it is larger, it is none."""
    if not stated.best_lower:
        return None
    bound = mpf(stated.best_lower)
    places = [point[:2] for _, points in stated.references for point in points]
    places += [stated.witness] if stated.witness is not None else []
    more = better(meant, stated.domain, stated.type, stated.competitors) if deep else []
    for rival in (r, *stated.rivals, *more):
        top = largest(meant, rival)
        if top is None or top.size * (1 + SEARCHED) >= bound or not admissible(stated, rival):
            continue
        sizes = [peaks(meant, rival, 200, 8)[0].size]  # the search again, closer
        sizes += [size for size in (_size_at(meant, rival, *place) for place in places) if size is not None]
        if max(sizes) * (1 + SEARCHED) < bound:
            return Counterexample("best_lower", None, f"{mpmath.nstr(max(sizes), 15)} of {_text(rival)}")
    return None


def _text(r: Ratio) -> str:
    return " / ".join(str([f"{float(c):.6g}" for c in side]) for side in (r.top, r.bottom))


# -- claims ------------------------------------------------------------------------------------------------------------


def _claims(stated: Statement, meant: Meaning | None, r: Ratio) -> Counterexample | None:
    for claim in stated.claims:
        found = refute_claim(stated, claim, meant, r)
        if found:
            return found
    return None


def refute_claim(stated: Statement, claim: Any, meant: Meaning | None, r: Ratio) -> Counterexample | None:
    """What is false in a claim, or None; without a meaning only claims about r are looked at."""
    with mpmath.workdps(DIGITS):
        return _refuted_claim(stated, claim, meant, r)


def _refuted_claim(stated: Statement, claim: Any, meant: Meaning | None, r: Ratio) -> Counterexample | None:
    name, *arguments = claim
    if not isinstance(name, str) or SHAPES.get(name) != len(arguments):
        return Counterexample("malformed claim")
    if name in ("range", "saturation", "monotone", "lipschitz"):
        x = about_r(stated.domain, name, arguments, r)
        return Counterexample(name, x) if x is not None else None
    if name == "format":
        return None if fits([*stated.numerator, *stated.denominator], arguments[0]) else Counterexample("format")
    if stated.samples is not None:
        if name == "derivative":
            return Counterexample("derivative", None, "samples have no derivative")
        size = _sampled(stated, r)
        limit = arguments[0] * (stated.best_lower if name == "best" else 1)
        return Counterexample(name) if size > limit else None
    if meant is None:
        return None
    if name == "derivative":
        top = slope_peak(meant, r)
        if top is not None and above(top.size, arguments[0]):
            return Counterexample(name, top.x, f"{mpmath.nstr(mpf(top.size), 20)} > {float(arguments[0]):.17g}")
        return None
    top = largest(meant, r)
    limit = arguments[0] * (stated.best_lower if name == "best" else 1)
    if top is not None and above(top.size, limit):
        return Counterexample(name, top.x, f"{mpmath.nstr(mpf(top.size), 20)} > {float(limit):.17g}")
    return None


# -- samples -----------------------------------------------------------------------------------------------------------


def _sampled(stated: Statement, r: Ratio) -> Fraction:
    return max(w * abs(y - r(x)) for x, y, w in stated.samples or ())


def _samples(stated: Statement, r: Ratio, deep: bool) -> Counterexample | None:
    if not stated.samples:
        return Counterexample("malformed", None, "no samples")
    if any(w < 0 for _, _, w in stated.samples):
        return Counterexample("negative weight")
    size = _sampled(stated, r)
    if stated.upper is not None and size > stated.upper:
        return Counterexample("upper", None, f"{float(size):.17g} at a sample")
    if stated.lower:
        if size < stated.lower:
            return Counterexample("lower")
        if stated.witness is not None:
            at = [w * abs(y - r(x)) for x, y, w in stated.samples if x == stated.witness[1]]
            if not at or max(at) < stated.lower:
                return Counterexample("lower", stated.witness[1])
    more = better_samples(stated.samples, stated.type) if deep and stated.best_lower else []
    for rival in (r, *stated.rivals, *more):
        if admissible(stated, rival) and _sampled(stated, rival) < stated.best_lower:
            return Counterexample("best_lower", None, _text(rival))
    return _claims(stated, None, r)
