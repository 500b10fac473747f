"""Random statements about a target and a rational, true and false by construction, the false ones by very little."""

import random
from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf
from typing import Any

import mpmath

from tests.adversaries import polynomials
from tests.adversaries.competitors import alternation, better, interpolated
from tests.adversaries.error import Peak, Ratio, largest, peaks, slope_peak
from tests.adversaries.families import Posed, decimal
from tests.adversaries.meaning import Meaning, meaning, pieces
from tests.adversaries.refuter import Statement, admissible, fits, ratio_of, refute_claim, signs_of
from tests.adversaries.values import Unsure

__all__ = ["Made", "claims", "exact", "made", "sampled", "variants"]

EPSILONS = [Fraction(1, 10**k) for k in (0, 1, 2, 3, 4, 6, 9, 12)]


@dataclass(frozen=True)
class Made:
    """A target, its meaning, a rational, and the largest error where it is known."""

    posed: Posed
    meant: Meaning
    base: Statement
    style: str
    top: Peak | None

    @property
    def ratio(self) -> Ratio:
        return ratio_of(self.base)


def exact(size: Any, up: bool = True) -> Fraction:
    """A fraction just above or below a number of mpmath, or the number itself where it is short."""
    with mpmath.workdps(110):
        man, shift = size.man_exp
        x = Fraction(int(man)) * Fraction(2) ** int(shift)
    if x.denominator.bit_length() < 90 or not x:
        return x
    unit = Fraction(2) ** (x.numerator.bit_length() - x.denominator.bit_length() - 110)
    return (x // unit + (1 if up else 0)) * unit


def _size(peak: Peak, up: bool = True) -> Fraction:
    return peak.exact if peak.exact is not None else exact(peak.size, up)


# -- rationals ---------------------------------------------------------------------------------------------------------


def _hull(domain: Any) -> tuple[Fraction, Fraction]:
    low, high = domain[0][0], domain[-1][1]
    a = low if low > -inf else (high - 6 if high < inf else Fraction(-6))
    return Fraction(a), Fraction(high if high < inf else a + 12)


def _nodes(domain: Any, count: int) -> list[Fraction]:
    low, high = _hull(domain)
    shares = [Fraction(float(1 - mpmath.cos(mpmath.pi * (2 * k + 1) / (2 * count))) / 2).limit_denominator(4096) for k in range(count)]
    return [low + (high - low) * share for share in shares]


def _outside(draw: random.Random, domain: Any) -> Fraction:
    """A point just outside the domain, or in a gap of it."""
    step = Fraction(1, draw.choice((1, 3, 100, 10**6, 10**12)))
    ends = [a - step for a, _ in domain if a > -inf] + [b + step for _, b in domain if b < inf]
    return draw.choice([e for e in ends if not any(a <= e <= b for a, b in domain)] or [Fraction(-1, 7)])


def _ratio(draw: random.Random, meant: Meaning, domain: Any) -> tuple[Ratio, str]:
    style = draw.choices(("constant", "fit", "moved fit", "line", "random", "zero", "near pole"), (3, 7, 3, 2, 2, 1, 2))[0]
    one = (Fraction(1),)
    if style in ("fit", "moved fit"):
        kind = draw.choice(((1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (2, 2), (3, 2), (0, 1), (0, 2), (1, 2)))
        found = interpolated(meant, kind, _nodes(domain, sum(kind) + 1)) if meant.regions else None
        if found is not None and not isinstance(signs_of(found.bottom, domain), Fraction):
            if style == "moved fit":
                k = draw.randrange(len(found.top))
                by = Fraction(1, 2 ** draw.randrange(2, 30)) * draw.choice((1, -1))
                found = Ratio(polynomials.plus(found.top, (*[Fraction(0)] * k, by)), found.bottom)
            return found, style
        style = "constant"
    if style == "constant":
        return Ratio((decimal(draw, -1, 1.5, draw.choice((0, 1, 2))),), one), style
    if style == "zero":
        return Ratio((Fraction(0),), one), style
    if style == "line":
        return Ratio(polynomials.trimmed((decimal(draw, -1, 1), decimal(draw, -1, 1))), one), style
    if style == "near pole":
        x = _outside(draw, domain)
        return Ratio(polynomials.trimmed((decimal(draw, -1, 1), decimal(draw, -1, 1))), (-x, Fraction(1))), style
    top = polynomials.trimmed([decimal(draw, -1, 1) for _ in range(draw.randrange(1, 4))])
    return Ratio(top, polynomials.trimmed((1, decimal(draw, -0.3, 0.3), decimal(draw, 0, 1)))), style


def _dressed(draw: random.Random, r: Ratio, posed: Posed) -> tuple[dict[str, Any], str]:
    """Coefficients of a rational: with common factors, scaled, padded with zeros, in a basis."""
    top, bottom, style = r.top, r.bottom, ""
    change = draw.random()
    if change < 0.1:
        x, style = _outside(draw, posed.domain), ", common factor"
        factor = draw.choice(((-x, Fraction(1)), (Fraction(1), Fraction(0), Fraction(1))))
        top, bottom = polynomials.times(top, factor), polynomials.times(bottom, factor)
    elif change < 0.2:
        size = draw.choice((Fraction(-1), Fraction(10**30), Fraction(1, 10**30), Fraction(-7, 3)))
        top, bottom, style = polynomials.scaled(top, size), polynomials.scaled(bottom, size), ", scaled"
    bounded = all(abs(e) < inf for pair in posed.domain for e in pair)
    out: dict[str, Any] = {"basis": "monomial", "hull": posed.domain}
    if bounded and draw.random() < 0.3:
        hull = posed.domain if draw.random() < 0.7 else ((posed.domain[0][0] - 1, posed.domain[-1][1] + Fraction(1, 3)),)
        ends = hull[0][0], hull[-1][1]
        top, bottom = polynomials.to_chebyshev(top, *ends), polynomials.to_chebyshev(bottom, *ends)
        out = {"basis": "chebyshev", "hull": hull}
    pad = [draw.choice((0, 0, 0, 1, 2)) for _ in range(2)]
    if any(pad):
        style += ", padded"
    sides = [(*side, *[Fraction(0)] * n) for side, n in zip((top, bottom), pad)]
    return out | {"numerator": sides[0], "denominator": sides[1], "type": (len(sides[0]) - 1, len(sides[1]) - 1)}, style


def made(draw: random.Random, posed: Posed) -> Made:
    """A rational for a target."""
    meant = meaning(posed.expression, posed.weight, posed.domain, posed.breakpoints)
    r, style = _ratio(draw, meant, posed.domain)
    form, more = _dressed(draw, r, posed)
    base = Statement(posed.expression, posed.weight, posed.domain, breakpoints=posed.breakpoints, upper=None, **form)
    known = not meant.undefined and not meant.doubt
    return Made(posed, meant, base, style + more, largest(meant, r) if known else None)


# -- claims ------------------------------------------------------------------------------------------------------------


def _extremes(r: Ratio, domain: Any) -> tuple[Fraction, Fraction] | None:
    slope = polynomials.plus(
        polynomials.times(polynomials.slope(r.top), r.bottom),
        polynomials.times(r.top, polynomials.slope(r.bottom)),
        Fraction(-1),
    )
    values = []
    try:
        for low, high in domain:
            marks = [Fraction(e) for e in (low, high) if abs(e) < inf]
            marks += [low + 2**40 if low > -inf else Fraction(2**40)] if high == inf else []
            marks += [Fraction(-(2**40))] if low == -inf else []
            marks += [(a + b) / 2 for a, b in polynomials.roots(slope, low, high)]
            values += [r(x) for x in marks]
    except Unsure:
        return None
    return min(values), max(values)


def _near(draw: random.Random, x: Fraction) -> Fraction:
    """A number close to another, on either side of it, and of a modest length."""
    moved = x + draw.choice((1, -1)) * draw.choice(EPSILONS) * (abs(x) or 1)
    return moved.limit_denominator(10**18)


def claims(draw: random.Random, one: Made, count: int, stated: Statement | None = None) -> list[tuple[tuple[Any, ...], str, bool]]:
    """Claims with their kind and whether they are true."""
    r, domain, out = one.ratio, one.posed.domain, []
    stated = stated or one.base
    names = ["range", "range", "monotone", "lipschitz", "saturation"]
    if one.meant.undefined:
        names += ["error", "derivative"]
    elif one.top is not None:
        names += ["error", "error", "error", "derivative"]
    for _ in range(count):
        claim = _claim(draw, draw.choice(names), one, r, domain)
        if claim is None:
            continue
        about_target = claim[0] in ("error", "derivative", "best")
        if about_target and one.meant.undefined:
            out.append((claim, claim[0], False))
            continue
        false = refute_claim(stated, claim, one.meant if about_target else None, r) is not None
        if claim[0] == "derivative" and not false and claim[1] < 10**6:
            false = _steep(one, claim[1])
        out.append((claim, claim[0], not false))
    return out


def _steep(one: Made, bound: Fraction) -> bool:
    top = slope_peak(one.meant, one.ratio)
    return top is not None and exact(top.size) > bound


def _claim(draw: random.Random, name: str, one: Made, r: Ratio, domain: Any) -> tuple[Any, ...] | None:
    if name == "error":
        size = _size(one.top) if one.top is not None else Fraction(10**6)
        eps = draw.choice(EPSILONS)
        return (name, size * (1 + eps) if draw.random() < 0.5 else size * (1 - eps))
    if name == "derivative":
        top = slope_peak(one.meant, r) if one.top is not None else None
        if top is None or top.size > 10**6:
            return (name, Fraction(draw.choice((1, 10, 1000))))
        eps, size = draw.choice(EPSILONS[1:6]), exact(top.size).limit_denominator(10**20)
        return (name, size * (1 + eps) if draw.random() < 0.5 else size * (1 - eps))
    if name == "monotone":
        return (name, draw.choice(("increasing", "decreasing")))
    span = domain
    if name == "saturation":
        low, high = _hull(domain)
        start = draw.choice((low, high, high, low - 1))
        end = draw.choice((high, high + 1, inf, start + Fraction(1, 10), start + 3))
        if not start < end:
            return None
        span = ((start, end),)
    if isinstance(signs_of(r.bottom, span), Fraction):
        return (name, *span[0], Fraction(0), Fraction(10)) if name == "saturation" else (name, -inf, inf) if name == "range" else None
    found = _extremes(r, span)
    if found is None:
        return None
    least, most = found
    if name == "saturation":
        limit = draw.choice((least, most, (least + most) / 2)).limit_denominator(10**12)
        return (name, *span[0], limit, abs(_near(draw, max(abs(most - limit), abs(least - limit)))))
    if name == "lipschitz":
        low, high = _hull(domain)
        try:
            return (name, abs(_near(draw, max(abs(r.slope(low + (high - low) * Fraction(k, 16))) for k in range(17) if any(a <= low + (high - low) * Fraction(k, 16) <= b for a, b in domain)))))
        except (Unsure, ValueError):
            return None
    a, b = (-inf if draw.random() < 0.15 else _near(draw, least)), (inf if draw.random() < 0.15 else _near(draw, most))
    return (name, a, b) if a < b else None


# -- whole statements --------------------------------------------------------------------------------------------------


def _piece(one: Made, peak: Peak) -> tuple[int, Fraction]:
    return peak.region.piece, peak.x


def _reference(one: Made, r: Ratio, kind: tuple[int, int]) -> tuple[tuple[Any, ...], Fraction]:
    """A reference by de la Vallée-Poussin's theorem, and the bound that it proves."""
    p, q = kind
    top, bottom = polynomials.trimmed(r.top), polynomials.trimmed(r.bottom)
    defect = q if not any(top) else min(p - len(top) + 1, q - len(bottom) + 1)
    count = p + q + 2 - defect
    if one.meant.infinite or len(one.posed.domain) > 1:
        return (), Fraction(0)
    runs = alternation(one.meant, r, count)
    if len(runs) < count:
        return (), Fraction(0)
    points = tuple((peak.region.piece, peak.x, peak.sign) for peak in runs)
    return (((1,) * len(one.posed.domain), points),), min(_size(peak, False) for peak in runs)


def variants(draw: random.Random, one: Made, count: int) -> list[tuple[str, bool, Statement]]:
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
    size, small = _size(one.top), _size(one.top, False)
    poles = isinstance(signs_of(r.bottom, one.posed.domain), Fraction)
    if poles:
        return [("pole", False, replace(base, upper=size * 2))]
    eps = draw.choice(EPSILONS[1:])
    true = replace(base, upper=size * (1 + eps), claims=tuple(c for c, _, good in claims(draw, one, 2) if good))
    stated_errors = [c[1] for c in true.claims if c[0] == "error"]
    true = replace(true, upper=min([true.upper, *stated_errors]))  # the file proves such a claim by its upper bound
    if one.top.x not in one.meant.infinite and draw.random() < 0.7:
        true = replace(true, lower=small * (1 - draw.choice(EPSILONS)), witness=_piece(one, one.top))
    references, bound = _reference(one, r, base.type) if draw.random() < 0.7 else ((), Fraction(0))
    if references:
        true = replace(true, references=references, best_lower=bound * (1 - draw.choice(EPSILONS)))
    if size == 0:
        true = replace(true, upper=Fraction(draw.choice((0, 0, 1))), lower=Fraction(0), witness=None, references=(), best_lower=Fraction(0))
    out = [("everything" if not true.claims else "everything, claims", True, true)]
    makers = [_false_upper, _false_upper, _false_upper, _zero_upper, _false_lower, _false_best, _rival, _larger_type]
    makers += [_false_claim, _false_claim, _false_value, _false_format, _false_pole]
    for maker in draw.sample(makers, min(count, len(makers))):
        found = maker(draw, one, true, size)
        if found is not None:
            out.append((maker.__name__.strip("_").replace("_", " "), False, found))
    return out


def _parts(draw: random.Random, one: Made, splits: int) -> tuple[Any, ...]:
    from tests.adversaries.files import covering

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
        out += [(index, a, b) for a, b in zip(marks, marks[1:])]
    return tuple(out)


def _false_upper(draw: random.Random, one: Made, true: Statement, size: Fraction) -> Statement | None:
    upper = _size(one.top, False) * (1 - draw.choice(EPSILONS)) if one.top else Fraction(0)
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
                return replace(true, lower=_size(max(near, key=lambda p: p.size)) * (1 + eps) + eps / 10**6, witness=witness, upper=size * 3 + 3, best_lower=Fraction(0), references=(), claims=())
            return replace(true, lower=size * (1 + eps) + eps, witness=witness, upper=size * 3 + 3, best_lower=Fraction(0), references=(), claims=())
    lower = size * (1 + eps) + (0 if size else eps)
    return replace(true, lower=lower, witness=witness, upper=lower * 2, best_lower=Fraction(0), references=(), claims=())


def _false_best(draw: random.Random, one: Made, true: Statement, size: Fraction) -> Statement | None:
    if not admissible(true, one.ratio):
        return None
    eps = draw.choice(EPSILONS[:6])
    best = size * (1 + eps) + (0 if size else eps)
    return replace(true, best_lower=best, upper=best * 2, claims=())


def _rival(draw: random.Random, one: Made, true: Statement, size: Fraction) -> Statement | None:
    """The best lies below what is stated, as another rational of the type shows."""
    found = None
    for other in _others(draw, one, true.type):
        top = largest(one.meant, other)
        if top is not None and 0 < _size(top) < size and admissible(true, other):
            found = min(found or (top.size, other), (top.size, other), key=lambda pair: pair[0])
    if found is None:
        return None
    best = exact(found[0]) * (1 + draw.choice(EPSILONS[:6]))
    best = min(best, size)
    if best <= exact(found[0]) * (1 + Fraction(1, 10**7)):
        return None
    factor = size / best
    return replace(true, best_lower=best, upper=size * (1 + Fraction(1, 10**6)), rivals=(found[1],), claims=(("best", factor * 2),))


def _others(draw: random.Random, one: Made, kind: tuple[int, int]) -> list[Ratio]:
    if sum(kind) == 0 or not one.meant.regions:
        middle = [Ratio((decimal(draw, -1, 1),), (Fraction(1),)), Ratio((Fraction(0),), (Fraction(1),))]
        return middle
    if draw.random() < 0.2:
        return better(one.meant, one.posed.domain, kind)
    kinds = {(min(kind[0], 3), min(kind[1], 2)), (min(kind[0], 3), 0)}
    found = [interpolated(one.meant, k, _nodes(one.posed.domain, sum(k) + 1)) for k in kinds]
    return [other for other in found if other is not None]


def _larger_type(draw: random.Random, one: Made, true: Statement, size: Fraction) -> Statement | None:
    """The reference of one type under the name of a larger one, for which something better exists."""
    if not true.best_lower:
        return None
    kind = (true.type[0] + draw.choice((1, 2)), true.type[1] + draw.choice((0, 1)))
    other = replace(true, type=kind)
    for rival in _others(draw, one, kind):
        top = largest(one.meant, rival)
        if top is not None and _size(top) * (1 + Fraction(1, 10**7)) < true.best_lower and admissible(other, rival):
            return replace(other, rivals=(rival,), claims=())
    return None


def _false_claim(draw: random.Random, one: Made, true: Statement, size: Fraction) -> Statement | None:
    for claim, _, good in claims(draw, one, 6, true):
        if not good:
            return replace(true, claims=(claim,))
    if true.best_lower and draw.random() < 0.5:
        return replace(true, claims=(("best", _size(one.top, False) / true.best_lower * (1 - draw.choice(EPSILONS[1:]))),)) if one.top else None
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
    x = low + (high - low) * share if -inf < low and high < inf else (low + share if low > -inf else Fraction(0) if high > 0 else high)
    factor = draw.choice(((-x, Fraction(1)), polynomials.times((-x, Fraction(1)), (-x, Fraction(1)))))
    top, bottom = (polynomials.times(side, factor) for side in (one.ratio.top, one.ratio.bottom))
    kind = (max(true.type[0], len(top) - 1), max(true.type[1], len(bottom) - 1))
    return replace(true, basis="monomial", hull=one.posed.domain, numerator=top, denominator=bottom, type=kind, best_lower=Fraction(0), references=())


# -- samples -----------------------------------------------------------------------------------------------------------


def sampled(draw: random.Random) -> tuple[Statement, list[tuple[str, bool, Statement]]]:
    """Samples with a rational, and statements about them: everything is exact."""
    count = draw.choice((1, 2, 3, 3, 4, 5, 8))
    xs = [decimal(draw, -1, 1, 1) for _ in range(count)]
    if draw.random() < 0.3:
        xs = [*xs, xs[0]]
    if draw.random() < 0.4:
        xs.sort()
    weights = draw.choice(("one", "one", "random", "zero", "some zero", "negative"))
    rows = []
    for k, x in enumerate(xs):
        w = {"one": Fraction(1), "random": decimal(draw, 0.1, 3, 1), "zero": Fraction(0)}.get(weights, Fraction(1))
        if weights in ("some zero", "negative") and k == len(xs) - 1:
            w = Fraction(0 if weights == "some zero" else -1)
        rows.append((x, decimal(draw, -1, 1, 1), w))
    if draw.random() < 0.3:
        rows[-1] = rows[0]
    low, high = min(xs) - draw.choice((0, 0, 1)), max(xs) + draw.choice((0, Fraction(1, 3)))
    if low == high:
        high += 1
    domain = ((low, high),)
    style = draw.choice(("constant", "line", "quotient"))
    top: Any = (decimal(draw, -1, 1, 1),) if style == "constant" else (decimal(draw, -1, 1, 1), decimal(draw, -1, 1, 1))
    bottom: Any = (Fraction(1), Fraction(0), Fraction(1, 2)) if style == "quotient" else (Fraction(1),)
    base = Statement("y", "1", domain, top, bottom, (len(top) - 1, len(bottom) - 1), samples=tuple(rows), hull=domain)
    r = ratio_of(base)
    if weights == "negative":
        return base, [("negative weight", False, replace(base, upper=Fraction(10)))]
    sizes = [(w * abs(y - r(x)), k, x) for k, (x, y, w) in enumerate(rows)]
    size, _, at = max(sizes, key=lambda entry: entry[0])
    eps = draw.choice(EPSILONS)
    true = replace(base, upper=size * (1 + eps) if draw.random() < 0.7 else size, lower=size * (1 - eps), witness=(0, at))
    signs = sorted((x, (y > r(x)) - (y < r(x)), w * abs(y - r(x))) for x, y, w in rows)
    need, runs = sum(base.type) + 2 - (base.type[1] if not any(top) else min(base.type[0] + 1 - len(r.top), base.type[1] + 1 - len(r.bottom))), []
    for x, sign, e in signs:
        if e and (not runs or runs[-1][1] != sign):
            runs.append((x, sign, e))
    if len(runs) >= need and len({x for x, _, _ in runs}) == len(runs):
        chosen = runs[:need]
        true = replace(true, best_lower=min(e for _, _, e in chosen), references=(((1,), tuple((0, x, s) for x, s, _ in chosen)),))
    out = [("everything", True, true)]
    plain = replace(true, best_lower=Fraction(0), references=(), lower=Fraction(0), witness=None)
    if size:
        out.append(("false upper", False, replace(plain, upper=size * (1 - eps))))
        lower = size * (1 + eps)
        out.append(("false lower", False, replace(plain, upper=lower * 2, lower=lower, witness=(0, at))))
        out.append(("false best", False, replace(true, upper=lower, best_lower=lower)))
        points = tuple((k if draw.random() < 0.5 else 0, x, (-1) ** k) for k, (x, _, _) in enumerate(signs))
        out.append(("reference of other points", False, replace(plain, best_lower=size, upper=size, references=(((1,), points),))))
        reused = tuple((k, signs[k % len(signs)][0], s) for k, s in zip(range(need), (-1, 1) * need))
        out.append(("reference uses a sample twice", False, replace(plain, best_lower=min(size, max(e for _, _, e in signs)), upper=size, references=(((1,), reused),))))
        out.append(("false claim", False, replace(true, claims=(draw.choice((("error", size * (1 - eps)), ("derivative", Fraction(10**6)), ("monotone", "increasing"), ("range", Fraction(-5), Fraction(-4)))),))))
    return base, out
