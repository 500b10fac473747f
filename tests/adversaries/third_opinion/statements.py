"""Random statements about a target and a rational, true and false by construction, the false ones by very little."""

import random
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise, product
from math import inf
from typing import Any

from tests.adversaries.third_opinion import polynomials
from tests.adversaries.third_opinion.about_r import fits, signs_of
from tests.adversaries.third_opinion.claims import claims
from tests.adversaries.third_opinion.competitors import alternation, better, interpolated
from tests.adversaries.third_opinion.error import Peak, Ratio, largest, peaks
from tests.adversaries.third_opinion.families import decimal
from tests.adversaries.third_opinion.files import covering
from tests.adversaries.third_opinion.meaning import pieces
from tests.adversaries.third_opinion.odd import odd
from tests.adversaries.third_opinion.rationals import EPSILONS, Made, exact, nodes, size_of
from tests.adversaries.third_opinion.refuter import Statement, admissible

__all__ = ["variants"]


def _piece(one: Made, peak: Peak) -> tuple[int, Fraction]:
    return peak.region.piece, peak.x


def _reference(one: Made, stated: Statement) -> tuple[tuple[Any, ...], Fraction]:
    """References by de la Vallée-Poussin's theorem, one for each pattern of signs, and the bound that they prove."""
    (p, q), r, domain = stated.type, one.ratio, one.posed.domain
    top, bottom = polynomials.trimmed(r.top), polynomials.trimmed(r.bottom)
    defect = q if not any(top) else min(p - len(top) + 1, q - len(bottom) + 1)
    count, own = p + q + 2 - defect, signs_of(bottom, domain)
    if one.meant.infinite or isinstance(own, Fraction):
        return (), Fraction(0)
    patterns: list[tuple[int, ...]] = [(1,) * len(domain)]
    if stated.competitors == "any sign":
        patterns = [(1, *rest) for rest in product((1, -1), repeat=len(domain) - 1)]
        patterns = [s for s in patterns if sum(a != b for a, b in pairwise(s)) <= q]
    out, bounds = [], []
    for pattern in patterns:

        def turned(region: Any, pattern: Any = pattern) -> int:
            k = next(k for k, (low, high) in enumerate(domain) if low <= region.low and region.high <= high)
            return int(own[k] * pattern[k])

        runs = alternation(one.meant, r, count, turned)
        if len(runs) < count:
            return (), Fraction(0)
        out.append((pattern, tuple((peak.region.piece, peak.x, peak.sign) for peak in runs)))
        bounds.append(min(size_of(peak, False) for peak in runs))
    return tuple(out), min(bounds)


def variants(draw: random.Random, one: Made, count: int, schema: int = 1) -> list[tuple[str, bool, Statement]]:
    """A true statement where there is one, and some false ones, with what each is about."""
    base, r = one.base, one.ratio
    splits = draw.choice((1, 2, 4, 7))
    parts = _parts(draw, one, splits)
    base = replace(base, parts=parts, lower=Fraction(0))
    if one.meant.undefined:
        upper = Fraction(draw.choice((1, 100, 10**9)))
        out = [("undefined", False, replace(base, upper=upper))]
        if draw.random() < 0.3 and count > 1:
            out.append(("undefined, error zero", False, replace(base, upper=Fraction(0), parts=())))
        return out
    if one.top is None:
        return []
    size, small = size_of(one.top), size_of(one.top, False)
    poles = isinstance(signs_of(r.bottom, one.posed.domain), Fraction)
    if poles:
        return [("pole", False, replace(base, upper=size * 2))]
    eps = draw.choice(EPSILONS[1:])
    true = replace(
        base, upper=size * (1 + eps), claims=tuple(c for c, _, good in claims(draw, one, 2, None, schema == 2) if good)
    )
    stated_errors = [c[1] for c in true.claims if c[0] == "error"]
    true = replace(true, upper=min([true.upper, *stated_errors]))  # the file proves such a claim by its upper bound
    if one.top.x not in one.meant.infinite and draw.random() < 0.7:
        true = replace(true, lower=small * (1 - draw.choice(EPSILONS)), witness=_piece(one, one.top))
    if schema == 2 and draw.random() < 0.4:
        true = replace(true, competitors="any sign")
    references, bound = _reference(one, true) if draw.random() < 0.7 else ((), Fraction(0))
    if references:
        true = replace(true, references=references, best_lower=bound * (1 - draw.choice(EPSILONS)))
    if size == 0:
        true = replace(
            true,
            upper=Fraction(draw.choice((0, 0, 1))),
            lower=Fraction(0),
            witness=None,
            references=(),
            best_lower=Fraction(0),
        )
    # The search looks in float64 first: of an error that float64 cannot see, it may miss the peak by a thousandth.
    seen = size == 0 or size > Fraction(1, 10**12)
    out = [("everything" if not true.claims else "everything, claims", seen, true)]
    makers = [_false_upper, _false_upper, _false_upper, _zero_upper, _false_lower, _false_best, _rival, _larger_type]
    if schema == 2 and len(one.posed.domain) > 1:
        makers += [_other_class, _other_class]
    makers += [_false_claim, _false_claim, _false_value, _false_format, _false_pole]
    for maker in draw.sample(makers, min(count, len(makers))):
        found = maker(draw, one, true, size)
        if found is not None:
            out.append((maker.__name__.strip("_").replace("_", " "), False, odd(draw, found)))
    return out


def _parts(draw: random.Random, one: Made, splits: int) -> tuple[Any, ...]:
    if draw.random() < 0.4:
        return covering(one.posed.domain, one.posed.breakpoints, splits)
    out: list[tuple[int, Any, Any]] = []  # cut at the switch points, too
    for index, (low, high) in enumerate(pieces(one.posed.domain, one.posed.breakpoints)):
        marks = [e for g in one.meant.regions if g.piece == index for e, good in zip((g.low, g.high), g.exact) if good]
        marks = sorted({low, high, *(e for e in marks if low < e < high)})
        if high == inf:
            marks = [*marks[:-1], max(Fraction(8), marks[-2] + 8), high]
        if low == -inf:
            marks = [low, min(Fraction(-8), marks[1] - 8), *marks[1:]]
        out += [(index, a, b) for a, b in pairwise(marks)]
    return tuple(out)


def _false_upper(draw: random.Random, one: Made, true: Statement, size: Fraction) -> Statement | None:
    upper = size_of(one.top, False) * (1 - draw.choice(EPSILONS)) if one.top else Fraction(0)
    if not size or upper >= size:
        return None
    return replace(true, upper=upper, lower=Fraction(0), best_lower=Fraction(0), references=(), witness=None, claims=())


def _zero_upper(draw: random.Random, one: Made, true: Statement, size: Fraction) -> Statement | None:
    false = _false_upper(draw, one, true, size)
    return None if false is None else replace(false, upper=Fraction(0), parts=())


def _false_lower(draw: random.Random, one: Made, true: Statement, size: Fraction) -> Statement | None:
    eps = draw.choice(EPSILONS)
    if one.top is None or one.top.x in one.meant.infinite:
        return None
    witness = _piece(one, one.top)
    if draw.random() < 0.3:  # where a switch changes, and the value at the point itself might be taken
        inner = [g for g in one.meant.regions if abs(g.high) < inf and g.exact[1]]
        if inner:
            region = draw.choice(inner)
            witness = (region.piece, region.high)
            near = [p for p in peaks(one.meant, one.ratio) if p.x == region.high]
            if near:
                return replace(
                    true,
                    lower=size_of(max(near, key=lambda p: p.size)) * (1 + eps) + eps / 10**6,
                    witness=witness,
                    upper=size * 3 + 3,
                    best_lower=Fraction(0),
                    references=(),
                    claims=(),
                )
            return replace(
                true,
                lower=size * (1 + eps) + eps,
                witness=witness,
                upper=size * 3 + 3,
                best_lower=Fraction(0),
                references=(),
                claims=(),
            )
    lower = size * (1 + eps) + (0 if size else eps)
    return replace(
        true, lower=lower, witness=witness, upper=lower * 2, best_lower=Fraction(0), references=(), claims=()
    )


def _false_best(draw: random.Random, one: Made, true: Statement, size: Fraction) -> Statement | None:
    if not admissible(true, one.ratio):
        return None
    eps = draw.choice(EPSILONS[:6])
    best = size * (1 + eps) + (0 if size else eps)
    return replace(true, best_lower=best, upper=best * 2, claims=())


def _rival(draw: random.Random, one: Made, true: Statement, size: Fraction) -> Statement | None:
    """The best lies below what is stated, as another rational of the type shows."""
    found = None
    for other in _others(draw, one, true.type, true.competitors):
        top = largest(one.meant, other)
        if top is not None and 0 < size_of(top) < size and admissible(true, other):
            found = min(found or (top.size, other), (top.size, other), key=lambda pair: pair[0])
    if found is None:
        return None
    best = exact(found[0]) * (1 + draw.choice(EPSILONS[:6]))
    best = min(best, size)
    if best <= exact(found[0]) * (1 + Fraction(1, 10**7)):
        return None
    factor = size / best
    return replace(
        true, best_lower=best, upper=size * (1 + Fraction(1, 10**6)), rivals=(found[1],), claims=(("best", factor * 2),)
    )


def _others(draw: random.Random, one: Made, kind: tuple[int, int], competitors: str) -> list[Ratio]:
    if sum(kind) == 0 or not one.meant.regions:
        middle = [Ratio((decimal(draw, -1, 1),), (Fraction(1),)), Ratio((Fraction(0),), (Fraction(1),))]
        return middle
    if draw.random() < (0.8 if competitors == "any sign" and len(one.posed.domain) > 1 else 0.2):
        return better(one.meant, one.posed.domain, kind, competitors)
    kinds = {(min(kind[0], 3), min(kind[1], 2)), (min(kind[0], 3), 0)}
    found = [interpolated(one.meant, k, nodes(one.posed.domain, sum(k) + 1)) for k in kinds]
    return [other for other in found if other is not None]


def _other_class(draw: random.Random, one: Made, true: Statement, size: Fraction) -> Statement | None:
    """The reference of one sign for the class of any sign, in which something better exists."""
    stated = replace(true, competitors="one sign", claims=())
    references, bound = _reference(one, stated)
    if not references or true.type[1] == 0:
        return None
    stated = replace(stated, competitors="any sign", references=references, best_lower=bound)
    for rival in better(one.meant, one.posed.domain, true.type, "any sign"):
        top = largest(one.meant, rival)
        if top is not None and size_of(top) * (1 + Fraction(1, 10**7)) < bound and admissible(stated, rival):
            return replace(stated, rivals=(rival,))
    return None


def _larger_type(draw: random.Random, one: Made, true: Statement, size: Fraction) -> Statement | None:
    """The reference of one type under the name of a larger one, for which something better exists."""
    if not true.best_lower:
        return None
    kind = (true.type[0] + draw.choice((1, 2)), true.type[1] + draw.choice((0, 1)))
    other = replace(true, type=kind)
    for rival in _others(draw, one, kind, true.competitors):
        top = largest(one.meant, rival)
        if top is not None and size_of(top) * (1 + Fraction(1, 10**7)) < true.best_lower and admissible(other, rival):
            return replace(other, rivals=(rival,), claims=())
    return None


def _false_claim(draw: random.Random, one: Made, true: Statement, size: Fraction) -> Statement | None:
    for claim, _, good in claims(draw, one, 6, true, True):
        if not good:
            return replace(true, claims=(claim,))
    if true.best_lower and draw.random() < 0.5:
        return (
            replace(
                true, claims=(("best", size_of(one.top, False) / true.best_lower * (1 - draw.choice(EPSILONS[1:]))),)
            )
            if one.top
            else None
        )
    return None


def _false_value(draw: random.Random, one: Made, true: Statement, size: Fraction) -> Statement | None:
    x, r = Fraction(1, 3), one.ratio
    values = [x, polynomials.at(r.top, x), polynomials.at(r.bottom, x)]
    values[draw.choice((1, 2))] += Fraction(1, 10 ** draw.randrange(1, 40))
    return replace(true, value=tuple(values))


def _false_format(draw: random.Random, one: Made, true: Statement, size: Fraction) -> Statement | None:
    name = draw.choice(("float64", "float32", "bfloat16", "float16", "float8"))
    if fits([*true.numerator, *true.denominator], name):
        return None
    return replace(true, format=name)


def _false_pole(draw: random.Random, one: Made, true: Statement, size: Fraction) -> Statement | None:
    """A zero of P and Q together, on the domain."""
    low, high = one.posed.domain[0]
    share = draw.choice((Fraction(0), Fraction(1), Fraction(1, 3), Fraction(1, 10**9)))
    x = (
        low + (high - low) * share
        if -inf < low and high < inf
        else (low + share if low > -inf else Fraction(0) if high > 0 else high)
    )
    factor = draw.choice(((-x, Fraction(1)), polynomials.times((-x, Fraction(1)), (-x, Fraction(1)))))
    top, bottom = (polynomials.times(side, factor) for side in (one.ratio.top, one.ratio.bottom))
    kind = (max(true.type[0], len(top) - 1), max(true.type[1], len(bottom) - 1))
    return replace(
        true,
        basis="monomial",
        hull=one.posed.domain,
        numerator=top,
        denominator=bottom,
        type=kind,
        best_lower=Fraction(0),
        references=(),
    )
