"""The search for pieces: where inputs are split, which form each piece has, of which type, with which coefficients.

Cuts are chosen among breakpoints, 0 and a few round numbers, by the least sum of what the pieces count (dynamic
programming over estimates). Then every piece is fitted at its own inputs, in the units in which it will be judged: the
best of its type at up to some hundred of them, rounded to the wider format, and run at all that are tried. The type is
raised until that holds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from itertools import combinations
from math import inf, isinf

import numpy as np

from rational_approx import watch
from rational_approx.expressions.quotients import quotient_of
from rational_approx.kernels.about_zero import estimated, piece_of_form, rounded_sides
from rational_approx.kernels.barycentric import barycentric
from rational_approx.kernels.coefficients import Sides, in_short_format, shortened
from rational_approx.kernels.crossings import parts
from rational_approx.kernels.estimate import Estimate, estimate
from rational_approx.kernels.facts import FLUSHED, errors_at
from rational_approx.kernels.forms import Exponential, Form, Rates, counted, form_piece, in_powers, rates, terms
from rational_approx.kernels.formulas import Called, NoFormula, Style, Writing, kind_of, taken
from rational_approx.kernels.kernel import BRANCH, Function, Kernel, Piece, operations
from rational_approx.kernels.numbers import INNER, KINDS, largest_number, neighbours
from rational_approx.kernels.reductions import exponential_error
from rational_approx.kernels.scheme import PLAIN, Scheme
from rational_approx.kernels.tails import Tail, infinite, proved, tail
from rational_approx.kernels.transcripts import Transcripts, transcripts
from rational_approx.kernels.truth import Gap, Truth
from rational_approx.problem.prescribed import Prescribed
from rational_approx.programs.program import Constant

__all__ = ["NoKernel", "kernel_for"]

POINTS, QUICK = 300, 90
"""At so many inputs of a piece it is fitted, and its error estimated."""


Type = tuple[int, int]
SIZES = {"float32": (9, 0), "float64": (16, 1)}
"""By the format in which rationals are calculated: most of their coefficients, and whether they may be large."""


@cache
def _types(inner: str, scheme: Scheme) -> tuple[Type, ...]:
    """Types of rationals, those with the fewest operations first."""
    # Beyond ten coefficients numerators and denominators have about the same degree, or there is none.
    most, wide = SIZES[inner]
    kinds = ((p, q) for p in range(most) for q in range(7 + wide) if p >= q - 1 and p + q <= most)
    few = [(p, q) for p, q in kinds if (p + q <= 9 and not wide) or q == 0 or (wide and p <= q + 2)]
    if scheme.order == "barycentric":
        few = [type for type in few if type[0] == type[1] or in_powers(type)]
    return tuple(sorted(few, key=lambda t: (counted(t[0], t[1], scheme), t[1], t[0])))


MARGIN = 0.85
"""The share of the error that a piece's fit may take: rounding in float32 and other inputs take some."""
TRIES = 6
MOST = 5
"""So many exponentials are looked at for each end."""
STEPS, CAREFUL = 4, 25
"""Steps of an estimate, and of a fit."""
DISTANT = 64
"""Beyond, a rational has to be proved on very many boxes, and where the formula is good it is taken."""
LARGE = 87.0
"""Exponentials with larger exponents may be too large for float32."""
FLAT = 1e-6
"""An exponential with smaller exponents is constant, as far as floats tell."""
FAR = 64
"""Beyond, a function may follow a power of x."""
SMALL = 2.0**-6
"""A place to cut where a formula is not good at zero."""
ROUND = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0)


class NoKernel(ArithmeticError):
    """No pieces were found within the wanted error."""


@dataclass(frozen=True)
class Stretch:
    """Inputs ``x[start:stop]`` of the truth that one piece may serve, in a scheme."""

    known: Truth
    scheme: Scheme
    start: int
    stop: int

    @property
    def types(self) -> tuple[Type, ...]:
        """The types that are tried."""
        return _types(self.inner, self.scheme)

    @property
    def inner(self) -> str:
        """The format in which its code calculates."""
        return INNER[self.known.format]

    @property
    def upper(self) -> float:
        """Its last input."""
        return float(self.known.x[self.stop - 1])

    @property
    def prescribed(self) -> bool:
        """Whether it is that about zero, whose form is prescribed."""
        x = self.known.x
        return self.scheme.form is not None and bool(x[self.start] <= 0 <= x[self.stop - 1])

    def widened(self) -> "Stretch":
        """With the next number tried at each end, where others lie between: whatever lies there is for this one."""
        x, ends = self.known.x, [self.start, self.stop]
        for side, at in enumerate(ends):
            if at in self.known.gap_places:
                continue
            if 0 < at < x.size and neighbours(x[at - 1 : at], self.known.format)[1][0] < x[at]:
                ends[side] += 1 if side else -1
        return Stretch(self.known, self.scheme, *ends)

    def sample(self, count: int, variable: str) -> np.ndarray:
        """Indices of inputs: even among the inputs, dense near 0, and even in x, or in 1/x, the ends with them."""
        size = self.stop - self.start
        if size <= count:
            return np.arange(self.start, self.stop)
        x = self.known.x[self.start : self.stop]
        even = np.linspace(0, size - 1, count // 3)
        reach = (1 - np.cos(np.linspace(0, np.pi, 2 * count // 3))) / 2
        low, high = float(x[0]), float(x[-1])
        with np.errstate(divide="ignore", over="ignore"):
            spread = 1 / (1 / low + (1 / high - 1 / low) * reach) if variable == "1/x" else low + (high - low) * reach
        places = np.searchsorted(x, spread.astype(np.float32)).clip(0, size - 1)
        return np.unique(np.concatenate([even.astype(int), places, [0, size - 1]])) + self.start

    def seen(self, form: Form) -> np.ndarray:
        """All values of a form's variable, ascending."""
        with np.errstate(all="ignore"):
            v = form.variable_at(self.known.x[self.start : self.stop].astype(np.float64))
        return np.unique(v[np.isfinite(v)])

    def data(self, form: Form, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Variable, wanted values of R and weights, in units in the last place; arrays ``[points]``."""
        at = self.sample(count, form.variable)
        x, value = self.known.x[at].astype(np.float64), self.known.value[at]
        with np.errstate(all="ignore"):
            factor = form.factor_at(x)
            v, g, weight = form.variable_at(x), value / factor, np.abs(factor) / self.known.units(value)
        good = np.isfinite(g) & np.isfinite(weight) & (np.abs(value) > 2.0**-180) & (weight > 0)
        v, g, weight = v[good], g[good], weight[good]
        if not v.size:  # the target is zero at all of them
            return np.zeros(1), np.zeros(1), np.ones(1)
        _, first = np.unique(v, return_index=True)
        return v[first], g[first], weight[first]


def kernel_for(
    known: Truth,
    cuts: tuple[float, ...],
    room: float,
    wanted: float,
    segments: int,
    scheme: Scheme = PLAIN,
    rounds: bool = True,
) -> Kernel:
    """Code within ``wanted`` units in the last place at every number tried, fitted to ``room`` units. Where the result
    is not rounded (``rounds``), constants and lines have that room, too.

    Raises
    ------
    NoKernel
        where at most ``segments`` pieces between the tails did not suffice.
    """
    if scheme.flush and (any(known.edges) or known.gaps):
        raise NoKernel("flush= needs a target with a value at every number: give one, as where(x > 0, log(x), 0)")
    formulas = transcripts(known, cuts, room, scheme)
    try:
        return _kernel(known, cuts, formulas, (room, wanted, segments), scheme, rounds)
    except NoKernel as trouble:
        raise NoKernel(f"{trouble}{_reason(known, formulas)}") from None


def _reason(known: Truth, formulas: Transcripts) -> str:
    """Why the formula itself is no way out."""
    try:
        taken(known.target.tree, 1, Writing(formulas.library), Style(True))
    except NoFormula as problem:
        return f"; the formula is not taken as it stands: {problem}"
    return ""


def _kernel(
    known: Truth,
    cuts: tuple[float, ...],
    formulas: Transcripts,
    asked: tuple[float, float, int],
    scheme: Scheme,
    rounds: bool,
) -> Kernel:
    room, wanted, segments = asked
    # Where the target ends at a number there is no tail.
    left, right = (
        None if edge else tail(known, room, side, scheme, rounds) for edge, side in zip(known.edges, (-1, 1))
    )
    if left is not None and (formulas.waves(0, left[1]) or not proved(left[0], known, -1)):
        left = None
    if right is not None and (formulas.waves(right[1], known.x.size) or not proved(right[0], known, 1)):
        right = None
    if scheme.form is not None:
        left, right = _beside_zero(known, cuts, left, right)
    start = 0 if left is None else left[1]
    stop = known.x.size if right is None else right[1]
    out = [] if left is None else [left[0]]
    inner = INNER[known.format]
    function = formulas.library.function(Called("exp"))
    if start < stop:
        exponentials = _exponentials(known, start, stop, left, right, function, scheme)
        whole = Stretch(known, scheme, start, stop)
        ranked, own = _all_ranked(whole, cuts, exponentials, formulas, (room, segments))
        out += _fitted(whole, ranked, own, formulas, (room, wanted, segments))
    out += [] if right is None else [right[0]]
    for gap in known.gaps:
        last = float(known.x[np.searchsorted(known.x, gap.number) - 1])
        place = next(k for k, piece in enumerate(out) if piece.upper >= last)
        out[place + 1 : place + 1] = _in_gap(gap, known.format)
    functions = formulas.functions(out)
    return Kernel(known.format, inner, _closed(out, known, functions, scheme), functions, scheme)


def _beside_zero(known: Truth, cuts: tuple[float, ...], left: Tail, right: Tail) -> tuple[Tail, Tail]:
    """The tails that leave a piece about zero to be found.

    Raises
    ------
    NoKernel
        where there cannot be one.
    """
    x, gaps = known.x, [gap.number for gap in known.gaps]
    if 0 in cuts or 0 in gaps or not x[0] < 0 < x[-1]:
        raise NoKernel(
            "constraints= are about one piece on both sides of zero, and the target switches, or ends, there"
        )
    left = left if left is not None and x[left[1] - 1] < 0 and x[left[1]] < 0 else None
    return left, right if right is not None and x[right[1]] > 0 and x[right[1] - 1] > 0 else None


def _closed(pieces: list[Piece], known: Truth, functions: tuple[Function, ...], scheme: Scheme) -> tuple[Piece, ...]:
    """The pieces, and infinite inputs: a reduction by powers of two would make an integer of one.

    A sine has no value there, as its operations say by themselves.
    """
    out = list(pieces)
    kinds = {function.name: kind_of(function) for function in functions}
    for place, x, side, edge in ((0, known.x[:1], -1, known.edges[0]), (-1, known.x[-1:], 1, known.edges[1])):
        if edge is not None:
            continue
        called = {kinds[op] for op, _ in out[place].steps if op in kinds}
        if called <= {"sin", "cos"}:
            continue
        value = float(out[place](x.astype(INNER[known.format]), functions)[0])
        beyond = Piece(inf, (), Constant(Fraction(value)), f"{value:g}, that of the outermost number")
        with np.errstate(all="ignore"):
            limit = float(known.target(side * inf))
        if isinf(limit):
            beyond = infinite(limit, known.format)
        elif called & {"sin", "cos"}:
            beyond = Piece(inf, (), None, "no limit")
        if side > 0:
            out[-1] = replace(out[-1], upper=largest_number(known.format))
        out.insert(0 if side < 0 else len(out), replace(beyond, upper=side * inf))
    out[-1] = replace(out[-1], upper=inf)
    return _with_edges(_with_normal_ends(out) if scheme.flush else out, known)


def _with_normal_ends(pieces: list[Piece]) -> list[Piece]:
    """The pieces, none of which ends at a subnormal number, which a comparison may take for zero."""
    out: list[Piece] = []
    for piece in pieces:
        end = piece.upper
        if 0 < abs(end) < FLUSHED:
            end = 0.0 if end > 0 else -FLUSHED
        if not out or out[-1].upper < end:
            out.append(replace(piece, upper=end))
    return out


def _in_gap(gap: Gap, format: str) -> list[Piece]:
    """No number between numbers at which the target has a value, or infinities beside them."""
    nothing, (left, right) = Piece(inf, (), None, "no real value"), gap[1:]
    if left.number == right.number:
        same = isinf(left.value) and left.value == right.value
        return [replace(infinite(left.value, format) if same else nothing, upper=left.number)]
    out = [replace(infinite(left.value, format), upper=left.number)] if isinf(left.value) else []
    if not isinf(right.value):
        return [*out, replace(nothing, upper=right.number)]
    last = _before(right.number, format)
    out += [replace(nothing, upper=last)] if last > left.number or not out else []
    return [*out, replace(infinite(right.value, format), upper=right.number)]


def _before(number: float, format: str) -> float:
    """The number of a format next below another."""
    return float(neighbours(np.array([number]), format)[0][0])


def _with_edges(pieces: list[Piece], known: Truth) -> tuple[Piece, ...]:
    """The pieces, and no number beside those at which the target has a value, or an infinity at the first one."""
    left, right = known.edges
    out, nothing = list(pieces), Piece(inf, (), None, "no real value")
    if left is not None:
        before = [replace(nothing, upper=left.number)]
        if isinf(left.value):
            last = _before(left.number, known.format)
            before = [replace(nothing, upper=last), replace(infinite(left.value, known.format), upper=left.number)]
        out = before + out
    if right is not None:
        out[-1] = replace(out[-1], upper=float(known.x[-1]))
        out += [replace(infinite(right.value, known.format), upper=right.number)] if isinf(right.value) else []
        out.append(nothing)
    return tuple(out)


# -- forms -----------------------------------------------------------------------------------------------------------


def _exponentials(
    known: Truth, start: int, stop: int, left: Tail, right: Tail, function: Function, scheme: Scheme
) -> tuple[Exponential, ...]:
    """The exponentials that the distance of the target from its tails may follow."""
    found: list[Exponential] = []
    x = known.x.astype(np.float64)
    for fixed, side in ((left, -1), (right, 1)):
        own: list[Rates] = []
        line = np.zeros(x.size) if fixed is None else fixed[0](x)
        if known.format in KINDS and abs(line[0]) > largest_number(known.format):
            line = np.zeros(x.size)  # it grows beyond all numbers, itself as an exponential perhaps
        with np.errstate(all="ignore"):
            gap = np.abs(known.value - line)
            share = gap / np.maximum(np.abs(known.value), np.abs(line))
        inner = np.arange(start, stop)[x[start:stop] * side > 0]
        for size in (share, gap):
            clear = inner[np.isfinite(size[inner]) & (size[inner] > 1e-9) & (gap[inner] > 1e-280)]
            clear = clear[np.abs(known.value[clear]) < 2.0**900] if clear.size else clear
            if clear.size < 12:
                continue
            outer = clear[0] if side < 0 else clear[-1]
            at = np.searchsorted(x, x[outer] * np.linspace(1, 0.6, 6)).clip(0, x.size - 1)
            own += rates(x[at], known.value[at] - line[at])
        found += [Exponential(each, function, scheme) for each in list(dict.fromkeys(own))[:MOST]]
    return tuple(dict.fromkeys(found))


def _forms(
    known: Truth, start: int, stop: int, exponentials: tuple[Exponential, ...], scheme: Scheme
) -> Iterator[Form]:
    x, value = known.x[start:stop], known.value[start:stop]
    inside = [zero for zero in known.zeros if x[0] <= zero <= x[-1]]
    if inside:
        if not inside[1:]:
            yield Form(1, "x - z", zero=parts(inside[0], INNER[known.format]))
        return
    holds_zero = bool(x[0] <= 0 <= x[-1])
    vanishes = holds_zero and bool((value[x == 0] == 0).all())
    mirrored = known.value[::-1]
    odd = bool(np.array_equal(mirrored, -known.value))
    even = bool(np.array_equal(mirrored, known.value))
    lowest = _multiplicity(x, value) if vanishes else 0
    if (odd and lowest % 2) or (odd and not holds_zero):
        yield Form(lowest or 1, "x^2")
    if even and lowest % 2 == 0:
        yield Form(lowest, "x^2")
    yield Form(lowest, "x")
    if not holds_zero:
        yield Form(1, "x")
        power = _power(x, value)
        if power is not None:
            yield Form(power, "1/x")
    for e in exponentials:
        exponents = e.exponent(x[[0, -1]].astype(np.float64))
        if not FLAT < np.abs(exponents).max() < 5000:
            continue
        large = exponents.max() > LARGE
        for times in (lowest,) if vanishes else (0, 1):
            for decays in (0, 1):
                if e.rates[1:] == (0, 0):
                    yield Form(times, "e", e, decays)
                if decays:
                    yield Form(times, "x", e, decays)
            # e alone may be too large where f is not, or subnormal where x e is not.
            if large or (times and scheme.flush):
                yield Form(times, "x", e.halved(), 2)
                if e.rates[1:] == (0, 0):
                    yield Form(times, "e", e.halved(), 2)


def _power(x: np.ndarray, value: np.ndarray) -> int | None:
    """The power of x that the values follow far out, where they do."""
    order = slice(None, None, -1) if x[-1] > 0 else slice(None)
    x, value = np.abs(x[order]).astype(np.float64), np.abs(value[order])
    near = int(np.argmax(x <= x[0] / 2))
    if x[0] < FAR or not near:
        return None
    with np.errstate(all="ignore"):
        slope = float(np.log(value[0] / value[near]) / np.log(x[0] / x[near]))
    return round(slope) if np.isfinite(slope) and abs(slope - round(slope)) < 0.05 and abs(slope) < 4 else None


Ranked = dict[Form, int]
"""Of each form the first of the types that is estimated to suffice, or ``FAILS``."""
FAILS = 10**6
HOPELESS = 30
"""An estimate that is so many times too large after two steps is given up."""
CHEAP, ENOUGH = 32, 50
"""One piece for all is looked at first if it counts no more than the first; where formulas, or one piece, count no more
than the second, nothing else is looked at."""


def _counted(form: Form, type: Type, scheme: Scheme) -> int:
    return form.operations + counted(type[0], type[1], scheme) + BRANCH


def _multiplicity(x: np.ndarray, value: np.ndarray) -> int:
    """Of a zero at 0: by how many powers of two the values fall where x falls by one."""
    at = np.argmin(np.abs(np.abs(x) - 2.0**-10)), np.argmin(np.abs(np.abs(x) - 2.0**-9))
    with np.errstate(all="ignore"):
        fall = float(np.log2(np.abs(value[at[1]] / value[at[0]])))
    return max(1, min(3, round(fall))) if np.isfinite(fall) else 1


def _ranked(
    stretch: Stretch, exponentials: tuple[Exponential, ...], room: float, least: Ranked, most: float
) -> tuple[Ranked, Ranked]:
    """The types that the forms need for a stretch, if that counts at most ``most``; ``least`` has its parts. And the
    types that they need at least, for longer stretches."""
    out: Ranked = {}
    needed: Ranked = {}
    types, scheme = stretch.types, stretch.scheme
    for form in _forms(stretch.known, stretch.start, stretch.stop, exponentials, scheme):
        if not _has_nodes(form, stretch):
            continue
        first = needed[form] = least.get(form, 0)
        if first == FAILS or _counted(form, types[first], scheme) > most:
            continue
        v, g, weight = stretch.data(form, QUICK)
        if form.variable == "e" and _magnified(form, stretch.inner, v, g, weight) > room:
            needed[form] = FAILS
            continue
        for index in range(first, len(types)):
            needed[form] = index
            if sum(types[index]) + 1 > v.size or _counted(form, types[index], scheme) > most:
                break
            if estimate(v, g, weight, *types[index], STEPS, HOPELESS * room).error <= 1.1 * room:
                out[form] = index
                break
        else:
            needed[form] = FAILS
    return out, needed


def _has_nodes(form: Form, stretch: Stretch) -> bool:
    """Whether numbers of the variable are known well enough to put nodes between them; they may be anything in powers.

    Where every input is tried they are.
    """
    known = stretch.known.format in KINDS or (form.variable in ("x", "x^2") and not form.zero)
    return known or stretch.scheme.order != "barycentric"


def _magnified(form: Form, inner: str, v: np.ndarray, g: np.ndarray, weight: np.ndarray) -> float:
    """What the error of the exponential makes of R(e), in units in the last place: much where it is a difference."""
    if form.exponential is None or v.size < 2:
        return 0.0
    with np.errstate(all="ignore"):
        steep = np.abs(np.gradient(g, v) * v) * weight
    return float(steep.max() * exponential_error(form.exponential.function, inner))


def _cheapest(found: Ranked, whole: Stretch) -> float:
    return min((cost for cost, _ in _sums(found, whole)), default=inf)


Span = tuple[int, int]
REPLANNED = 12
"""So often the cheapest sequence is looked for again, where a piece of it was not found."""


def _all_ranked(
    whole: Stretch,
    cuts: tuple[float, ...],
    exponentials: tuple[Exponential, ...],
    formulas: Transcripts,
    asked: tuple[float, int],
) -> tuple[dict[Span, Ranked], dict[Span, float]]:
    """Of every stretch that a piece may have: the types that forms need, and what the formula counts."""
    known, start, stop, (room, segments) = whole.known, whole.start, whole.stop, asked
    x = known.x
    # A breakpoint that is an input may belong to either side, or stand alone.
    must = [(int(np.searchsorted(x, cut, "left")), int(np.searchsorted(x, cut, "right"))) for cut in cuts]
    must += [(place, place) for place in known.gap_places]
    near = (SMALL,) if formulas.good.any() else ()
    may = [int(np.searchsorted(x, sign * r, "right")) for r in (0.0, *near, *ROUND) for sign in (-1, 1)]
    may += [int(np.searchsorted(x, x[0], "right")), int(np.searchsorted(x, x[-1], "left"))] if any(known.edges) else []
    may += [int(np.searchsorted(x, 0.0, "left")), *formulas.ends()]
    for zero in map(float, known.zeros):
        may += [int(np.searchsorted(x, zero * factor, "right")) for factor in (0.5, 0.75, 1.25, 2.0)]
        may += [int(np.searchsorted(x, zero, side)) for side in ("left", "right")]  # it may stand alone
    places = sorted({start, stop, *(place for place in [*may, *sum(must, ())] if start < place < stop)})
    if whole.scheme.form is not None:  # the piece about zero has numbers on both sides
        places = [place for place in places if place in (start, stop) or not x[place - 1] <= 0 <= x[place]]
    spans = [(a, b) for a, b in combinations(places, 2) if not any(a < left and right < b for left, right in must)]
    step = {place: number for number, place in enumerate(places)}
    ranked: dict[Span, Ranked] = {}
    needed: dict[Span, Ranked] = {}
    own = {(a, b): formulas.counted(a, b) for a, b in spans}
    about_zero = [span for span in spans if replace(whole, start=span[0], stop=span[1]).prescribed]
    if about_zero:
        own |= _prescribed_costs(whole, about_zero, places, room)
    most = _by_formulas(whole, own, segments)
    if (start, stop) in spans and not about_zero:  # where one piece for all is cheap, nothing dearer is looked at
        cheap, _ = _ranked(whole, exponentials, room, {}, min(most, CHEAP))
        most = min(most, _cheapest(cheap, whole))
        ranked[start, stop] = cheap
    if most <= ENOUGH:
        return ranked, own
    # What fails on a part fails on the whole, and what a part needs the whole needs as well: short stretches first.
    for a, b in sorted(spans, key=lambda span: step[span[1]] - step[span[0]]):
        watch.check()
        if (a, b) in about_zero:
            needed[a, b] = {}
            continue
        if any(abs(float(x[at])) > DISTANT and formulas.good[at] for at in (a, b - 1)):
            needed[a, b] = {}
            continue
        parts = [needed.get(part, {}) for part in ((a, places[step[b] - 1]), (places[step[a] + 1], b))]
        least = {form: max(part.get(form, 0) for part in parts) for form in {*parts[0], *parts[1]}}
        ranked[a, b], needed[a, b] = _ranked(
            replace(whole, start=a, stop=b), exponentials, room, least, min(most, own[a, b])
        )
    return ranked, own


def _prescribed_costs(whole: Stretch, spans: list[Span], places: list[int], room: float) -> dict[Span, float]:
    """What the piece of the prescribed form counts for stretches about zero; infinite where there is none.

    Raises
    ------
    NoKernel
        where there is none for any of them.
    """
    form, scheme, step = whole.scheme.form, whole.scheme, {place: number for number, place in enumerate(places)}
    assert form is not None
    numbers = [Fraction(2 * k + 3) for k in range(form.size)]
    count = operations(piece_of_form(form.filled(numbers), 0.0, scheme)) + BRANCH
    out: dict[Span, float] = {}
    for a, b in sorted(spans, key=lambda span: step[span[1]] - step[span[0]]):
        watch.check()
        # What fails on a part fails on the whole; of those that count the same the widest is taken.
        parts = ((a, places[step[b] - 1]), (places[step[a] + 1], b))
        data = replace(whole, start=a, stop=b).data(Form(0, "x"), QUICK)
        good = all(out.get(part, 0) < inf for part in parts) and estimated(form, data, STEPS)[0] <= 1.1 * room
        out[a, b] = count - (step[b] - step[a]) / 1024 if good else inf
    if min(out.values()) == inf:
        raise NoKernel(_no_form(whole.known, form))
    return out


def _no_form(known: Truth, form: Prescribed) -> str:
    """Why there is no piece of a form about zero."""
    at = float(known.value[known.x == 0][0])
    forced = (
        "" if form.p[0] is None or form.p[0] == at else f" P / Q is fixed at {form.p[0]} there, and f(0) is {at:g};"
    )
    return (
        f"no piece about zero with {form} is near enough to the target:{forced} fixed coefficients have to be those of "
        "its series at zero nearly; free more of them, give more powers, or ask for a larger error"
    )


def _by_formulas(whole: Stretch, own: dict[Span, float], segments: int) -> float:
    """What the cheapest sequence of pieces counts that are all the formula; infinite where there is none."""
    try:
        plan = _planned(whole, {}, own, segments)
    except NoKernel:
        return inf
    return sum(own[span] for span, _ in plan)


def _fitted(
    whole: Stretch,
    ranked: dict[Span, Ranked],
    own: dict[Span, float],
    formulas: Transcripts,
    asked: tuple[float, float, int],
) -> list[Piece]:
    """The pieces of the cheapest sequence; where an estimate promised too much, of the next one."""
    (room, wanted, segments), pieces = asked, dict[Span, Piece]()
    for _ in range(REPLANNED):
        plan = _planned(whole, ranked, own, segments)
        try:
            for number, (span, forms) in enumerate(plan):
                watch.check()
                watch.report(f"piece {number + 1} of {len(plan)} is fitted", (0, 0))
                if span not in pieces:
                    stretch = replace(whole, start=span[0], stop=span[1]).widened()
                    pieces[span] = _settled(stretch, forms, formulas, room, wanted)
        except NoKernel as problem:
            trouble, ranked[span], own[span] = problem, {}, inf
            continue
        return [pieces[span] for span, _ in plan]
    raise trouble


def _planned(
    whole: Stretch, ranked: dict[Span, Ranked], own: dict[Span, float], segments: int
) -> list[tuple[Span, list[Form]]]:
    """The cheapest sequence of stretches by estimates, each with its forms, cheapest first."""
    costs = {
        span: cost for span, one in own.items() if (cost := min(one, _cheapest(ranked.get(span, {}), whole))) < inf
    }
    best: dict[Span, tuple[float, list[Span]]] = {(whole.start, 0): (0.0, [])}
    for count in range(segments):
        for (a, b), one in costs.items():
            if (a, count) in best:
                cost = best[a, count][0] + one
                if cost < best.get((b, count + 1), (inf, []))[0]:
                    best[b, count + 1] = cost, [*best[a, count][1], (a, b)]
    found = [entry for (place, _), entry in best.items() if place == whole.stop]
    if not found:
        raise NoKernel(
            f"{segments} pieces between the tails do not follow the target over all exponents of {whole.known.format}, "
            "with a rational of x, of x^2 or of an exponential each: allow more with segments= (16 at most), or a "
            "larger error; a target that decays like a power of x is not implemented"
        )
    _, stretches = min(found, key=lambda entry: entry[0])
    return [
        (span, [form for _, form in sorted(_sums(ranked.get(span, {}), whole), key=lambda entry: entry[0])])
        for span in stretches
    ]


def _sums(found: Ranked, whole: Stretch) -> list[tuple[float, Form]]:
    types, scheme = whole.types, whole.scheme
    return [(_counted(form, types[index], scheme), form) for form, index in found.items() if index < FAILS]


# -- coefficients ----------------------------------------------------------------------------------------------------


def _settled(stretch: Stretch, forms: list[Form], formulas: Transcripts, room: float, wanted: float) -> Piece:
    """The piece with the fewest operations that holds at every number tried of its stretch."""
    if stretch.prescribed:
        return _settled_form(stretch, room, wanted)
    exactly = _itself(stretch)
    if exactly is not None and _largest(exactly, None, stretch) > wanted:
        exactly = None
    formula = formulas.piece(stretch.start, stretch.stop, stretch.upper)
    if exactly is None or (formula is not None and formulas.operations(formula) < operations(exactly)):
        exactly = formula
    if exactly is not None and not in_short_format(exactly, stretch.scheme.coefficients):
        exactly = None
    enough = inf if exactly is None else formulas.operations(exactly)
    for form in forms[:4]:
        if _counted(form, (0, 0), stretch.scheme) - BRANCH > enough:
            continue
        v, g, weight = stretch.data(form, POINTS)
        tried = 0
        for p, q in stretch.types:
            watch.check()
            if p + q + 1 > v.size or tried == TRIES:
                break
            found = estimate(v, g, weight, p, q, CAREFUL, HOPELESS * room)
            if found.error > room:
                continue
            tried += 1
            sides = _sides(found, form, room, stretch)
            if sides is None:
                continue
            parts = None
            if stretch.scheme.order == "barycentric" and not in_powers((p, q)):
                parts = barycentric(
                    found.powers(), stretch.seen(form), form.variable, stretch.known.format, stretch.inner
                )
                if parts is None:
                    continue
            piece = form_piece(form, *sides, stretch.upper, stretch.scheme, parts)
            if in_short_format(piece, stretch.scheme.coefficients) and _largest(piece, form, stretch) <= wanted:
                if exactly is None or formulas.operations(exactly) > operations(piece, form.functions):
                    return piece
                return exactly
    if exactly is not None:
        return exactly
    short = stretch.scheme.coefficients
    kind = stretch.inner if short is None else short.words
    raise NoKernel(
        f"no coefficients in {kind} were found for inputs from {float(stretch.known.x[stretch.start])!r} to "
        f"{stretch.upper!r}: ask for a larger error"
    )


def _settled_form(stretch: Stretch, room: float, wanted: float) -> Piece:
    """The piece of the prescribed form."""
    form, scheme = stretch.scheme.form, stretch.scheme
    assert form is not None
    data = stretch.data(Form(0, "x"), POINTS)
    error, sides = estimated(form, data, CAREFUL)
    if error <= room:
        found = rounded_sides(form, sides, data, room / MARGIN, stretch.inner, scheme.coefficients)
        piece = None if found is None else piece_of_form(found, stretch.upper, scheme)
        if piece and in_short_format(piece, scheme.coefficients) and _largest(piece, None, stretch) <= wanted:
            return piece
    raise NoKernel(
        f"no coefficients of a piece about zero with {form} were found: give more powers, or ask for a larger error"
    )


def _sides(found: Estimate, form: Form, room: float, stretch: Stretch) -> Sides | None:
    """The coefficients of numerator and denominator in their format; None where there are none in a short one."""
    if stretch.scheme.coefficients is not None:
        return shortened(found, stretch.data(form, QUICK), room / MARGIN, stretch.scheme.coefficients)
    return _rounded(found.powers(), stretch.inner)


def _rounded(sides: Sides, inner: str) -> Sides | None:
    """Coefficients in a format; None where one is too large."""
    if max(map(abs, sum(sides, ()))) > Fraction(float(np.finfo(inner).max)):
        return None
    return terms(sides[0], inner), terms(sides[1], inner)


def _itself(stretch: Stretch) -> Piece | None:
    """The target itself, where it is a rational of a type that is tried, and is written in powers."""
    x = stretch.known.x
    if any(x[stretch.start] <= zero <= stretch.upper for zero in stretch.known.zeros):
        return None
    found = quotient_of(stretch.known.target.on(Fraction(float(x[stretch.start])), Fraction(stretch.upper)).tree)
    if found is None or not found[1].coeffs():
        return None
    top, bottom = ([Fraction(int(c.p), int(c.q)) for c in side.coeffs()] or [Fraction(0)] for side in found)
    times = next((k for k, c in enumerate(top) if c), 0)
    type = len(top) - times - 1, len(bottom) - 1
    if type not in stretch.types or not bottom[0]:
        return None
    if stretch.scheme.order == "barycentric" and not in_powers(type):
        return None
    sides = _rounded((tuple(c / bottom[0] for c in top[times:]), tuple(c / bottom[0] for c in bottom)), stretch.inner)
    return None if sides is None else form_piece(Form(times, "x"), *sides, stretch.upper, stretch.scheme)


def _largest(piece: Piece, form: Form | None, stretch: Stretch) -> float:
    part = slice(stretch.start, stretch.stop)
    functions = () if form is None else form.functions
    kernel = Kernel(stretch.known.format, stretch.inner, (piece,), functions, stretch.scheme)
    return float(errors_at(kernel, stretch.known, part).max())
