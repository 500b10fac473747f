"""The search for pieces: where inputs are split, which form each piece has, of which type, with which coefficients.

A constant or a line takes over at each end (`kernels.tails`). What lies between is split by a plan (`kernels.plan`),
and every piece of it is fitted and tried (`kernels.settling`). Where an estimate promised too much there is another
plan. At last the code gets its ends (`kernels.ends`).
"""

from rational_approx import watch
from rational_approx.kernels.candidates import exponentials_of
from rational_approx.kernels.ends import closed, with_gaps
from rational_approx.kernels.forms import Exponential
from rational_approx.kernels.formulas import Style, Writing, taken
from rational_approx.kernels.kernel import Kernel, NoKernel, Piece
from rational_approx.kernels.library import Called, NoFormula
from rational_approx.kernels.numbers import INNER
from rational_approx.kernels.plan import Span, costs_of
from rational_approx.kernels.scheme import PLAIN, Scheme
from rational_approx.kernels.settling import settled
from rational_approx.kernels.stretches import Stretch
from rational_approx.kernels.tails import Tail, proved, tail
from rational_approx.kernels.transcripts import Transcripts, transcripts
from rational_approx.kernels.truth import Truth

__all__ = ["kernel_for"]

REPLANNED = 12
"""So often the cheapest plan is looked for again, where a piece of it was not found."""


def kernel_for(
    known: Truth,
    cuts: tuple[float, ...],
    room: float,
    wanted: float,
    segments: int,
    scheme: Scheme = PLAIN,
    rounds: bool = True,
    finest: bool = False,
) -> Kernel:
    """Code within ``wanted`` units in the last place at every number tried, fitted to ``room`` units. Where the result
    is not rounded (``rounds``), constants and lines have that room, too. Functions that a formula calls are as coarse
    as they may be nearly everywhere, or the ``finest`` ones.

    Raises
    ------
    NoKernel
        where at most ``segments`` pieces between the tails did not suffice.
    """
    if scheme.flush and (any(known.edges) or known.gaps):
        raise NoKernel("flush= needs a target with a value at every number: give one, as where(x > 0, log(x), 0)")
    formulas = transcripts(known, cuts, room, scheme, finest)
    try:
        pieces = with_gaps(_pieces(known, cuts, formulas, (room, wanted, segments), scheme, rounds), known)
    except NoKernel as trouble:
        raise NoKernel(f"{trouble}{_reason(known, formulas)}") from None
    functions = formulas.functions(pieces)
    return Kernel(known.format, INNER[known.format], closed(pieces, known, functions, scheme), functions, scheme)


def _pieces(
    known: Truth,
    cuts: tuple[float, ...],
    formulas: Transcripts,
    asked: tuple[float, float, int],
    scheme: Scheme,
    rounds: bool,
) -> list[Piece]:
    """The tails, and the pieces between them."""
    # Where the target ends at a number there is no tail.
    left, right = (
        None if edge else tail(known, asked[0], side, scheme, rounds) for edge, side in zip(known.edges, (-1, 1))
    )
    x = known.x
    if left is not None and (formulas.waves(0, left[1]) or not proved(left[0], known, -1, float(x[left[1] - 1]))):
        left = None
    if right is not None and (formulas.waves(right[1], x.size) or not proved(right[0], known, 1, float(x[right[1]]))):
        right = None
    if scheme.form is not None:
        left, right = _beside_zero(known, cuts, left, right)
    start = 0 if left is None else left[1]
    stop = known.x.size if right is None else right[1]
    exp = formulas.library.function(Called("exp"))
    between = []
    if start < stop:
        whole = Stretch(known, scheme, start, stop)
        between = _fitted(whole, cuts, exponentials_of(whole, left, right, exp), formulas, asked)
    return [*([left[0]] if left else []), *between, *([right[0]] if right else [])]


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


def _fitted(
    whole: Stretch,
    cuts: tuple[float, ...],
    exponentials: tuple[Exponential, ...],
    formulas: Transcripts,
    asked: tuple[float, float, int],
) -> list[Piece]:
    """The pieces of the cheapest plan; where an estimate promised too much, of the next one."""
    room, wanted, segments = asked
    costs, pieces = costs_of(whole, cuts, exponentials, formulas, room, segments), dict[Span, Piece]()
    for _ in range(REPLANNED):
        plan = costs.plan(segments)
        try:
            for number, (span, forms) in enumerate(plan):
                watch.check()
                watch.report(f"piece {number + 1} of {len(plan)} is fitted", (0, 0))
                if span not in pieces:
                    pieces[span] = settled(whole.part(span).widened(), forms, formulas, room, wanted)
        except NoKernel as problem:
            trouble = problem
            costs.without(span)
            continue
        return [pieces[span] for span, _ in plan]
    raise trouble


def _reason(known: Truth, formulas: Transcripts) -> str:
    """Why the formula itself is no way out."""
    try:
        taken(known.target.tree, 1, Writing(formulas.library), Style(True))
    except NoFormula as problem:
        return f"; the formula is not taken as it stands: {problem}"
    return ""
