"""The plan: where inputs are split, by the least sum of what the pieces count (dynamic programming over estimates).

Cuts are chosen among breakpoints, 0 and a few round numbers.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import inf

import numpy as np

from rational_approx import watch
from rational_approx.kernels.about_zero import estimated, piece_of_form
from rational_approx.kernels.forms import Exponential, Form
from rational_approx.kernels.kernel import BRANCH, NoKernel, operations
from rational_approx.kernels.ranking import QUICK, STEPS, Ranked, cheapest, in_order, ranked
from rational_approx.kernels.stretches import Stretch
from rational_approx.kernels.transcripts import Transcripts
from rational_approx.kernels.truth import Truth
from rational_approx.problem.prescribed import Prescribed

__all__ = ["Costs", "Span", "costs_of"]

DISTANT = 64
"""Beyond, a rational has to be proved on very many boxes, and where the formula is good it is taken."""
SMALL = 2.0**-6
"""A place to cut where a formula is not good at zero."""
ROUND = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0)
CHEAP, ENOUGH = 32, 50
"""One piece for all is looked at first if it counts no more than the first; where formulas, or one piece, count no more
than the second, nothing else is looked at."""

SURE = BRANCH / 2
"""What a constant counts that needs no estimate: less than another one."""

Span = tuple[int, int]
"""Where a stretch starts and stops."""
Plan = list[tuple[Span, list[Form]]]
"""Stretches one after the other, each with its forms, cheapest first."""


@dataclass
class Costs:
    """What a piece for each stretch counts by estimates: of the ``forms`` that suffice, or of what is there without an
    estimate (``own``), the formula or a prescribed form."""

    whole: Stretch
    forms: dict[Span, Ranked]
    own: dict[Span, float]

    def without(self, span: Span) -> None:
        """No piece was found for a stretch."""
        self.forms[span], self.own[span] = {}, inf

    def plan(self, segments: int) -> Plan:
        """The cheapest sequence of at most so many stretches.

        Raises
        ------
        NoKernel
            where there is none.
        """
        whole = self.whole
        costs = {
            span: cost
            for span, one in self.own.items()
            if (cost := min(one, cheapest(self.forms.get(span, {}), whole))) < inf
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
            raise NoKernel(self.trouble(segments, [*costs]))
        _, stretches = min(found, key=lambda entry: entry[0])
        return [(span, in_order(self.forms.get(span, {}), whole)) for span in stretches]

    def trouble(self, segments: int, spans: list[Span]) -> str:
        """Why there is no plan: too few pieces, or inputs that no piece serves."""
        whole, x = self.whole, self.whole.known.x
        reached, back = whole.start, whole.stop
        for a, b in sorted(spans):  # a stretch that begins further left is looked at first
            reached = max(reached, b) if a <= reached else reached
        for a, b in sorted(spans, key=lambda span: -span[1]):
            back = min(back, a) if b >= back else back
        if reached < whole.stop and back > whole.start and reached < x.size:
            ends = f"{float(x[min(reached, back)])!r} to {float(x[min(max(reached, back), x.size - 1)])!r}"
            return (
                f"near inputs from {ends} neither the formula as code nor a rational of x, of x^2 or of an exponential "
                "follows the target: ask for a larger error, or give the target without them, as "
                "where(abs(x) < 3, f(x), 0)"
            )
        return (
            f"{segments} pieces between the tails do not follow the target over all exponents of {whole.known.format}, "
            "with the formula as code or a rational of x, of x^2 or of an exponential each: allow more with segments= "
            "(16 at most), or a larger error"
        )


def costs_of(
    whole: Stretch,
    cuts: tuple[float, ...],
    exponentials: tuple[Exponential, ...],
    formulas: Transcripts,
    room: float,
    segments: int,
) -> Costs:
    """What pieces within ``room`` units count, for every stretch that one may have.

    Raises
    ------
    NoKernel
        where there is no piece of a form that is prescribed.
    """
    places, spans = _stretches(whole, cuts, formulas)
    step = {place: number for number, place in enumerate(places)}
    own = {span: formulas.counted(*span) for span in spans}
    for a, b in spans:
        if whole.part((a, b)).widened().constant() is not None:
            # Zero alone is a comparison more for every input: a piece only where nothing else is one there.
            alone = not whole.known.x[a:b].any()
            own[a, b] = min(own[a, b], ENOUGH + 1.0) if alone else SURE
    out = Costs(whole, {}, own)
    about_zero = [span for span in spans if whole.part(span).prescribed]
    if about_zero:
        out.own |= _prescribed_costs(whole, about_zero, places, room)
    most = _by_formulas(out, segments)
    everything = whole.start, whole.stop
    # Beyond 2^8 all numbers tried are whole, and a rational may be near sin(pi x) / x at each.
    waves = any(formulas.waves(at, at + 1) for at in (whole.start, whole.stop - 1))
    if everything in spans and not about_zero and not waves:  # where one piece is cheap, nothing dearer is looked at
        out.forms[everything], _ = ranked(whole, exponentials, room, {}, min(most, CHEAP))
        most = min(most, cheapest(out.forms[everything], whole))
    if most <= ENOUGH:
        return out
    needed: dict[Span, Ranked] = {}
    # What fails on a part fails on the whole, and what a part needs the whole needs as well: short stretches first.
    for a, b in sorted(spans, key=lambda span: step[span[1]] - step[span[0]]):
        watch.check()
        far = any(abs(float(whole.known.x[at])) > DISTANT and formulas.good[at] for at in (a, b - 1))
        if far or (a, b) in about_zero:
            needed[a, b] = {}
            continue
        parts = [needed.get(part, {}) for part in ((a, places[step[b] - 1]), (places[step[a] + 1], b))]
        least = {form: max(part.get(form, 0) for part in parts) for form in {*parts[0], *parts[1]}}
        out.forms[a, b], needed[a, b] = ranked(whole.part((a, b)), exponentials, room, least, min(most, out.own[a, b]))
    return out


def _stretches(whole: Stretch, cuts: tuple[float, ...], formulas: Transcripts) -> tuple[list[int], list[Span]]:
    """Where cuts may be, and the stretches between two of them that hold no cut that must be."""
    known, x, start, stop = whole.known, whole.known.x, whole.start, whole.stop
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
    may += whole.ends_of_constants()
    places = sorted({start, stop, *(place for place in [*may, *sum(must, ())] if start < place < stop)})
    if whole.scheme.form is not None:  # the piece about zero has numbers on both sides
        places = [place for place in places if place in (start, stop) or not x[place - 1] <= 0 <= x[place]]
    spans = [(a, b) for a, b in combinations(places, 2) if not any(a < left and right < b for left, right in must)]
    return places, spans


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
        data = whole.part((a, b)).data(Form(0, "x"), QUICK)
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


def _by_formulas(costs: Costs, segments: int) -> float:
    """What the cheapest sequence of pieces counts without an estimate; infinite where there is none."""
    try:
        plan = costs.plan(segments)
    except NoKernel:
        return inf
    return sum(costs.own[span] for span, _ in plan)
