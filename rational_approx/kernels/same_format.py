"""The search for code that calculates in the format of its results, as kernels in float32 and in float64 do.

Nothing is rounded at the end, so that the last operation has to add something small to something exact. A piece is the
target's formula, whose functions do that, or a form with a *base*: a number of the format, or x times a power of two.
What is added needs fewer correct digits the smaller it is; so pieces begin at zero, and each reaches as far as its
error, with all roundings, is proved to be small at some places. The proof of the whole comes afterwards.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from math import inf

import numpy as np
from flint import arb

from rational_approx import watch
from rational_approx.arithmetic.floats import FORMATS, round_to
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.expressions.enclosures import Undecided
from rational_approx.expressions.expression import Expression
from rational_approx.kernels.boxes import Judge, between
from rational_approx.kernels.enclosed import at_point, judge_of
from rational_approx.kernels.fine import chebyshev_points, near_best, rounded_polynomial
from rational_approx.kernels.forms import Exponential, Form, form_piece
from rational_approx.kernels.formulas import Called, Library, NoFormula, Writing, taken
from rational_approx.kernels.kernel import COSTS, Kernel, Piece
from rational_approx.kernels.scheme import Scheme
from rational_approx.kernels.search import NoKernel
from rational_approx.kernels.truth import infinity_at
from rational_approx.kernels.undefined import nowhere
from rational_approx.programs.program import INPUT, Constant, Writer
from rational_approx.proof.shared_zeros import taylor

__all__ = ["kernel_in_itself"]

BITS = 320
REACHES = (
    *(Fraction(k, 8) for k in (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 80, 96, 128, 192)),
    *(Fraction(2) ** k for k in (5, 6, 7, 8, 9, 10, 12, 14, 18, 24, 32, 48, 64)),
)
"""Where pieces may end."""
STARTS = (500, 100, 20, 12, 10, 8)
"""Powers of two at which a tail is looked for."""
PLACES = 24
"""At so many places of a piece its error is proved before it is taken."""
POINTS = 60
SHARE = 0.08
"""The share of the error before the last rounding that the approximation may take."""
RATES = ((-1, Fraction(0)), (-2, Fraction(0)), (0, Fraction(-1)), (0, Fraction(-1, 2)))
"""Exponentials that are tried away from zero: ``exp(a abs(x) + b x^2)``."""
TRIES = 2
"""So many types that follow the target are written down."""
MOST_DEGREE, MOST_BELOW = 26, 6


def _types() -> list[tuple[int, int]]:
    kinds = [(p, 0) for p in range(MOST_DEGREE)]
    kinds += [(p, q) for q in range(1, MOST_BELOW + 1) for p in range(max(q - 1, 0), q + 3)]
    return sorted(kinds, key=lambda t: 2 * sum(t) + COSTS["div"] * (t[1] > 0))


TYPES = _types()
Data = tuple[list[arb], list[arb], list[arb]]


def kernel_in_itself(target: Expression, format: str, wanted: Fraction, segments: int, scheme: Scheme) -> Kernel:
    """Code within ``wanted`` units in the last place, with at most so many pieces on each side of zero and of switches.

    Raises
    ------
    NoKernel
        where none was found.
    """
    if {node.operator for node in target.tree.walk()} & {"sin", "cos", "tan"}:
        raise NoKernel(
            f"sines over all numbers of {format} are reduced by products that are exact in a wider format alone: a "
            "larger error does not help; float32 has them with accumulate='float64'"
        )
    with working_bits(BITS):
        return _Search(target, format, float(wanted) - 3e-6, segments, scheme).kernel()


class _Search:
    def __init__(self, target: Expression, format: str, wanted: float, segments: int, scheme: Scheme) -> None:
        self.target, self.format, self.wanted, self.segments, self.scheme = target, format, wanted, segments, scheme
        self.bits, self.smallest, self.top = FORMATS[format]
        self.type = np.dtype(format).type
        self.largest = (1 - Fraction(1, 2**self.bits)) * Fraction(2) ** self.top
        self.normal = Fraction(2) ** (self.smallest + self.bits - 1)
        self.library = Library(format, format, 0.0, scheme)
        self.exp = self.library.function(Called("exp"))
        self.written_as: dict[Piece, tuple[Form, tuple[Fraction, ...], tuple[Fraction, ...]]] = {}

    # -- numbers of the format ---------------------------------------------------------------------------------------

    def place(self, x: Fraction) -> int:
        """The number of a number of the format, as they are ordered; 0 of zero."""
        whole = np.dtype(f"int{8 * np.dtype(self.format).itemsize}")
        code = int(np.array(abs(float(x)), dtype=self.format).view(whole))
        return code if x >= 0 else -code

    def number(self, place: int) -> Fraction:
        """The number with that number."""
        whole = np.dtype(f"int{8 * np.dtype(self.format).itemsize}").type
        return Fraction(float(np.array(whole(abs(place))).view(self.format)[()])) * (1 if place >= 0 else -1)

    def halved(self, inside: Fraction, outside: Fraction, holds: Callable[[Fraction], bool]) -> Fraction:
        """The number farthest from the first one, and not beyond the second, for which something holds as it does for
        the first one."""
        a, b = self.place(inside), self.place(outside)
        if holds(outside):
            return outside
        while abs(a - b) > 1:
            middle = (a + b) // 2
            a, b = (middle, b) if holds(self.number(middle)) else (a, middle)
        return self.number(a)

    def beside(self, x: Fraction, side: int) -> Fraction:
        """The next number on a side."""
        return self.number(self.place(x) + side)

    # -- the whole ---------------------------------------------------------------------------------------------------

    def kernel(self) -> Kernel:
        """The pieces from left to right."""
        first, last, edges = self.extent()
        cuts = sorted(cut for cut in {Fraction(round_to(c, self.format)) for c in self.cuts()} if first < cut < last)
        # A tail ends at the outermost switch, or at zero.
        left = None if edges[0] is not None else self.tail(min([Fraction(0), *cuts[:1]]), -1)
        right = None if edges[1] is not None else self.tail(max([Fraction(0), *cuts[-1:]]), 1)
        start, stop = first if left is None else left[1], last if right is None else right[1]
        pieces = [] if left is None else [left[0]]
        pieces += self.pieces_between(
            start if left is None else self.beside(start, 1), stop if right is None else self.beside(stop, -1), cuts
        )
        pieces += [] if right is None else [right[0]]
        pieces = self.with_edges(self.closed(pieces, edges), edges)
        called = {op for piece in pieces for op, _ in piece.steps}
        functions = tuple(f for f in self.library.made.values() if f.name in called)
        return Kernel(self.format, self.format, self.joined(pieces), functions, self.scheme)

    def cuts(self) -> Iterator[Fraction]:
        """Numbers at which branches of the target switch."""
        yield from self.target.breakpoints(-inf, inf)

    def joined(self, pieces: list[Piece]) -> tuple[Piece, ...]:
        """Equal neighbours as one piece, the last one without an end."""
        out: list[Piece] = []
        for piece in pieces:
            if out and (out[-1].steps, out[-1].result) == (piece.steps, piece.result):
                out.pop()
            out.append(piece)
        out[-1] = replace(out[-1], upper=inf)
        return tuple(out)

    def closed(self, pieces: list[Piece], edges: tuple[Fraction | None, Fraction | None]) -> list[Piece]:
        """The pieces, and infinite inputs: a function that the outermost piece calls would make integers of them."""
        out = list(pieces)
        for at, side in ((0, -1), (-1, 1)):
            called = {op for op, _ in out[at].steps} & {function.name for function in self.library.made.values()}
            if edges[at] is not None or not called:
                continue
            with np.errstate(all="ignore"):
                limit = float(self.target(side * inf))
            if np.isnan(limit):
                beyond = Piece(inf, (), None, "no limit")
            elif np.isinf(limit):
                beyond = self.infinite(limit)
            else:
                beyond = Piece(inf, (), Constant(self.near(Fraction(limit))), f"the limit {limit:g}")
            if side > 0:
                out[-1] = replace(out[-1], upper=float(self.largest))
            out.insert(0 if side < 0 else len(out), replace(beyond, upper=side * inf))
        return out

    def extent(self) -> tuple[Fraction, Fraction, tuple[Fraction | None, Fraction | None]]:
        """The first and the last number with a value, and those next to them, where there are others."""
        powers = [Fraction(2) ** k for k in range(self.smallest, self.top, 1 if self.top < 200 else 7)]
        points = [-self.largest, *(-each for each in reversed(powers)), Fraction(0), *powers, self.largest]
        missing = [nowhere(self.target.tree, point, point) for point in points]
        if not any(missing):
            return points[0], points[-1], (None, None)
        inside = [k for k, none in enumerate(missing) if not none]
        if not inside or inside[-1] - inside[0] + 1 != len(inside):
            raise NoKernel("the target has values on no interval of numbers: write where(...) for one that has")
        ends: list[Fraction] = []
        edges: list[Fraction | None] = []
        for at, side in ((inside[0], -1), (inside[-1], 1)):
            if not 0 <= at + side < len(points):
                ends, edges = [*ends, points[at]], [*edges, None]
                continue
            end = self.halved(points[at], points[at + side], lambda x: not nowhere(self.target.tree, x, x))
            ends, edges = [*ends, end], [*edges, self.beside(end, side)]
        return ends[0], ends[1], (edges[0], edges[1])

    def with_edges(self, pieces: list[Piece], edges: tuple[Fraction | None, Fraction | None]) -> list[Piece]:
        """The pieces, and no number, or an infinity, beside those at which the target has a value."""
        out = list(pieces)
        nothing = Piece(inf, (), None, "no real value")
        for edge, side in zip(edges, (-1, 1)):
            if edge is None:
                continue
            value = infinity_at(self.target, float(edge), -side)
            beyond = []
            if np.isinf(value):
                beyond = [replace(self.infinite(value), upper=float(edge))]
                edge = self.beside(edge, side)
            if side < 0:
                out = [replace(nothing, upper=float(edge)), *beyond, *out]
            else:
                out = [*out, *beyond, nothing]
        return out

    def infinite(self, sign: float) -> Piece:
        """An infinite result: a product that is too large."""
        writer = Writer(fma=False)
        large = Constant(self.largest * (1 if sign > 0 else -1))
        result = writer.do("mul", large, Constant(Fraction(2)))
        return Piece(inf, tuple(writer.steps), result, "infinite")

    # -- tails -------------------------------------------------------------------------------------------------------

    def tail(self, cut: Fraction, side: int) -> tuple[Piece, Fraction] | None:
        """The piece that takes over at an end, and its number next to the others."""
        outer = side * self.largest
        innermost = self.beside(cut, side)
        best: tuple[Piece, Fraction] | None = None
        for piece in self.lines(outer):
            kernel = Kernel(self.format, self.format, (piece,), ())
            formula = self.target.on(*sorted((innermost, outer)))
            judge = Judge(piece, formula.ball, kernel, {})

            holds = self.holding(judge, formula, side)
            # Of functions that grow fast nothing is known at the outermost numbers themselves.
            starts = [self.beside(outer, -side), *(side * Fraction(2) ** k for k in STARTS if 2**k < abs(outer))]
            start = next((each for each in starts if abs(each) >= abs(innermost) and holds(each)), None)
            if start is None:
                continue
            found = self.halved(start, innermost, holds)
            if best is None or abs(found) < abs(best[1]):
                best = piece, found
        if best is None or side > 0:
            return best
        return replace(best[0], upper=float(best[1])), best[1]

    def holding(self, judge: Judge, formula: Expression, side: int) -> Callable[[Fraction], bool]:
        """Whether a tail is good from a number on. A constant is off by all that it may be over many numbers: it is
        given less."""
        most = self.wanted if judge.piece.steps else (self.wanted + 0.5) / 2

        def holds(x: Fraction) -> bool:
            try:
                return judge.beyond(formula.tree, x, side).ulp <= most
            except (Undecided, ValueError, ZeroDivisionError, OverflowError):
                return False

        return holds

    def lines(self, outer: Fraction) -> Iterator[Piece]:
        """A constant, x, a multiple of x, and an infinite multiple."""
        value = (
            self.target.on(outer / 2, outer).ball(to_arb(outer))
            if outer > 0
            else self.target.on(outer, outer / 2).ball(to_arb(outer))
        )
        if not abs(value) <= to_arb(self.largest):
            # How large it is at the end is perhaps not known; its sign is seen nearer.
            seen = (self.target.ball(to_arb(Fraction(2) ** k * (1 if outer > 0 else -1))) for k in (12, 10, 8))
            sign = next((1 if each > 0 else -1 for each in seen if each > 0 or each < 0), 1)
            slope = Fraction(2) ** (self.top - 1) * sign * (1 if outer > 0 else -1)
            yield self.line(slope, "larger than every number of the format")
            return
        near = to_fraction(value.mid()) if abs(value) > arb(2) ** (self.smallest - 2) else Fraction(0)
        yield Piece(inf, (), Constant(self.near(near)), f"the limit {float(near):g}")
        slope = self.near(near / outer)
        if slope:
            yield self.line(slope, f"{float(slope):g} x")

    def near(self, value: Fraction) -> Fraction:
        """The number of the format next to a real one that is not too large."""
        return round_to(value, self.format)

    def line(self, slope: Fraction, about: str) -> Piece:
        writer = Writer(fma=False)
        result = INPUT if slope == 1 else writer.do("mul", INPUT, Constant(slope))
        return Piece(inf, tuple(writer.steps), result, about)

    # -- between the tails -------------------------------------------------------------------------------------------

    def pieces_between(self, start: Fraction, stop: Fraction, cuts: list[Fraction]) -> list[Piece]:
        """Pieces from one number to another."""
        if start > stop:
            return []
        out: list[Piece] = []
        ends = [start, *(cut for cut in cuts if start <= cut < stop), stop]
        if 0 not in cuts and start < 0 < stop:
            whole = self.formula(start, stop, self.target.on(start, stop))
            if whole is not None:
                return [whole]
        begin = start
        for end in ends[1:]:
            if begin > end:
                continue
            out += self.stretch(begin, end) if begin < end else [self.single(begin)]
            begin = self.beside(end, 1) if end < stop else end + 1
        return out

    def stretch(self, first: Fraction, last: Fraction) -> list[Piece]:
        """Pieces between two cuts: from zero, or from the end that is nearer to it, outwards."""
        low = first - (1 if first == 0 else 0) * 0
        formula = self.target.on(low, last) if low < last else self.target
        if first < 0 < last:
            middle = self.around_zero(first, last, formula)
            if middle is None:
                left = self.outwards(self.beside(Fraction(0), -1), first, formula)
                right = self.outwards(self.beside(Fraction(0), 1), last, formula)
                return [*left[::-1], self.single(Fraction(0)), *right]
            piece, low, high = middle
            right = self.outwards(self.beside(high, 1), last, formula) if high < last else []
            if (low, first) == (-high, -last) and self.is_odd():
                left = self.mirrored(right, formula, self.beside(high, 1), first)
            else:
                left = self.outwards(self.beside(low, -1), first, formula) if low > first else []
            return [*left[::-1], piece, *right]
        if first >= 0:
            return self.outwards(first, last, formula)
        return self.outwards(last, first, formula)[::-1]

    def is_odd(self) -> bool:
        """Whether the target is seen to be odd."""
        points = [arb(k) / 7 for k in (1, 3, 9, 20)]
        return all(bool((self.target.ball(x) + self.target.ball(-x)).contains(0)) for x in points)

    def mirrored(self, pieces: list[Piece], formula: Expression, inner: Fraction, first: Fraction) -> list[Piece]:
        """The pieces of an odd function that begin at a number, on the other side of zero, down to its first number."""
        out: list[Piece] = []
        for piece in pieces:
            outer, inner = max(-Fraction(piece.upper), first), -inner
            if piece in self.written_as:
                form, top, bottom = self.written_as[piece]
                turns = form.variable in ("x", "x - c", "1/x")
                sign = -((-1) ** form.times)
                sides = [tuple(c * (-1) ** (k * turns) for k, c in enumerate(side)) for side in (top, bottom)]
                other = replace(form, offset=-form.offset, centre=-form.centre)
                if form.exponential is not None:
                    a, b, c = form.exponential.rates
                    other = replace(other, exponential=replace(form.exponential, rates=(-a, b, -c)))
                taken_over = self.written(other, tuple(sign * c for c in sides[0]), sides[1], inner)
            else:
                own = self.formula(outer, inner, formula)
                if own is None:
                    raise NoKernel("the formula is good on one side of zero only: ask for a larger error")
                taken_over = own
            out.append(replace(taken_over, upper=float(inner)))
            inner = self.beside(-outer, 1)
        return out

    def single(self, x: Fraction) -> Piece:
        """The value at one number, where it is one of the format."""
        value = at_point(self.target, x)
        if value is None:
            raise NoKernel(f"at x = {float(x):g} the target has no value that is known: give one, with where(...)")
        return Piece(float(x), (), Constant(self.near(to_fraction(value.mid()))), f"the value at {float(x):g}")

    def outwards(self, inner: Fraction, outer: Fraction, formula: Expression) -> list[Piece]:
        """Pieces from one number to another of the same sign, which is farther from zero, the first one first."""
        out: list[Piece] = []
        side = 1 if outer > 0 else -1
        while True:
            watch.check()
            watch.report(f"a piece from {float(inner):g} on is looked for", (0, 0))
            found = self.farthest(inner, outer, formula, side) if len(out) < self.segments else None
            if found is None:
                raise NoKernel(
                    f"from x = {float(inner):g} on no form with operations in {self.format} is within "
                    f"{self.wanted:g} ulp: ask for a larger error, for more segments=, or, of float32, for "
                    "accumulate='float64'"
                )
            piece, end = found
            out.append(piece if side > 0 else replace(piece, upper=float(inner)))
            if end == outer:
                break
            inner = self.beside(end, side)
        return out

    def farthest(
        self, inner: Fraction, outer: Fraction, formula: Expression, side: int
    ) -> tuple[Piece, Fraction] | None:
        """The piece that reaches farthest."""
        ends = [outer, *(side * self.near(r) for r in sorted(REACHES, reverse=True) if abs(inner) < r < abs(outer))]
        if abs(inner) < 4 * self.normal < abs(outer):  # some functions are good for normal numbers alone
            ends.append(side * self.beside(4 * self.normal, -1))
        found = self.piece(inner, outer, formula, side)
        if found is not None:
            return found, outer
        low, high, best = 0, len(ends), None  # what fails is in front of high
        low = 1
        while low < high:
            at = (low + high) // 2
            found = self.piece(inner, ends[at], formula, side)
            if found is not None:
                best, high = (found, ends[at]), at
            else:
                low = at + 1
        return best

    def piece(self, inner: Fraction, outer: Fraction, formula: Expression, side: int) -> Piece | None:
        """A piece for the numbers between, if there is a good one."""
        low, high = sorted((inner, outer))
        own = self.formula(low, high, formula) or self.shifted(low, high, formula)
        if own is not None:
            return own
        for form in self.far_forms(low, high, formula, side):
            watch.check()
            piece = self.fitted(form, low, high, formula)
            if piece is not None:
                return piece
        return None

    def formula(self, low: Fraction, high: Fraction, formula: Expression) -> Piece | None:
        """The formula itself, where it is good from one number to another."""
        writing = Writing(self.library)
        try:
            result = taken(formula.tree, 1 if high > 0 else -1, writing)
        except NoFormula:
            return None
        piece = Piece(float(high), tuple(writing.writer.steps), result, "the formula itself")
        return piece if self.good(piece, low, high, formula) else None

    def shifted(self, low: Fraction, high: Fraction, formula: Expression) -> Piece | None:
        """The logarithm of subnormal numbers: that of a multiple, ``log(2^k x) - k log(2)``, with k log(2) next to a
        number of the format."""
        tree = formula.tree
        if tree.operator != "log" or tree.arguments[0].operator != "variable" or high >= 4 * self.normal or low <= 0:
            return None
        log2 = arb(2).log()
        off = {
            k: abs(k * log2 - to_arb(self.near(to_fraction((k * log2).mid()))))
            for k in range(self.top - self.bits - 2, self.top - 3)
        }
        k = min(off, key=lambda each: float(off[each]))
        writer, log = Writer(fma=False), self.library.function(Called("log"))
        result = writer.do("mul", INPUT, Constant(Fraction(2) ** k))
        result = writer.do("sub", writer.do(log.name, result), Constant(self.near(to_fraction((k * log2).mid()))))
        piece = Piece(float(high), tuple(writer.steps), result, f"log(2^{k} x) - {k} log(2)")
        return piece if self.good(piece, low, high, formula) else None

    # -- forms -------------------------------------------------------------------------------------------------------

    def around_zero(
        self, first: Fraction, last: Fraction, formula: Expression
    ) -> tuple[Piece, Fraction, Fraction] | None:
        """The piece about zero that reaches farthest, and its ends."""
        forms = list(self.zero_forms(formula))
        best: tuple[Piece, Fraction, Fraction] | None = None
        reaches = [r for r in REACHES if r <= 16]
        low, high = 0, len(reaches)
        while low < high:
            at = (low + high) // 2
            a, b = max(first, -reaches[at]), min(last, reaches[at])
            pieces = (self.fitted(form, a, b, formula) for form in forms)
            found = next((piece for piece in pieces if piece is not None), None)
            if found is not None:
                best, low = (found, a, b), at + 1
            else:
                high = at
        return best

    def zero_forms(self, formula: Expression) -> Iterator[Form]:
        """Forms for numbers about zero."""
        series = taylor(formula.ball, arb(0), 9)
        c = [series[k] for k in range(9)]
        if not all(each.is_finite() for each in c):
            return
        first = next((k for k, each in enumerate(c) if not each.contains(0)), None)
        if first is None:
            return
        odd, even = (all(each.contains(0) for each in c[k::2]) for k in (0, 1))
        variable = "x^2" if odd or even else "x"
        step = 2 if odd or even else 1
        if first == 0:
            offset = self.near(to_fraction(c[0].mid()))
            exactly = bool((c[0] - to_arb(offset)).is_zero())
            yield Form(step if exactly and even else 1 if exactly else 0, variable if even else "x", offset=offset)
            if odd or (exactly and all(each.contains(0) for each in c[2::2])):  # c + an odd function
                yield Form(1, "x^2", offset=offset)
        elif first == 1:
            exponent = round(np.log2(abs(float(c[1]))))
            slope = Fraction(2) ** exponent * (1 if c[1] > 0 else -1)
            exactly = bool((c[1] - to_arb(slope)).is_zero())
            yield Form((3 if odd else 2) if exactly else 1, variable, slope=slope)
        yield Form(first, variable)

    def far_forms(self, low: Fraction, high: Fraction, formula: Expression, side: int) -> Iterator[Form]:
        """Forms for numbers on one side of zero."""
        near, far = sorted((abs(low), abs(high)))
        if far <= 4 * near:
            centre = self.near((max(near, far / 2) + min(2 * near, far)) / 2 * side)
            short = round_to(centre, "bfloat16")
            centre = short if far <= 2 * abs(short) and abs(short) <= 2 * near else centre
            value = formula.ball(to_arb(centre))
            if abs(value) < arb(2) ** (self.top - 1) and not value.contains(0):
                yield Form(0, "x - c", offset=self.near(to_fraction(value.mid())), centre=centre)
        ends = [formula.ball(to_arb(each)) for each in ((low, high) if side > 0 else (high, low))]
        if not all(each.is_finite() for each in ends):
            return
        for base in self.bases(formula, side):
            if base.offset and near >= Fraction(1, 2):
                yield replace(base, variable="1/x")
        for base in self.bases(formula, side):
            for a, b in RATES:
                yield from self.decaying(base, a, b, (near, far), ends, side)

    def bases(self, formula: Expression, side: int) -> Iterator[Form]:
        """What the target comes near to far out: a constant, x, or nothing but 0."""
        far = to_arb(Fraction(side * 2**40))
        try:
            value = formula.ball(far)
        except (Undecided, ValueError, ZeroDivisionError):
            return
        if abs(value) < arb(2) ** -60:
            yield Form(0, "x")
        elif abs(value) < 2**20:
            yield Form(0, "x", offset=self.near(to_fraction(value.mid())))
        elif abs(value / far - 1) < arb(2) ** -30:
            yield Form(0, "x", slope=Fraction(1))

    def decaying(
        self,
        base: Form,
        a: int,
        b: Fraction,
        reach: tuple[Fraction, Fraction],
        ends: list[arb],
        side: int,
    ) -> Iterator[Form]:
        """Forms with an exponential that the distance from the base may follow."""
        e = Exponential((Fraction(a * side), b, Fraction(0)), self.exp)
        for times in (0, 1):
            sizes = []
            for x, value in zip(reach, ends):
                x = side * x
                gap = value - to_arb(base.slope * x + base.offset)
                size = to_arb(e.rates[0] * x + e.rates[1] * x * x).exp() * to_arb(x) ** times
                sizes.append(float(abs(gap / size)) if not gap.contains(0) else 0.0)
            if not all(1e-30 < each < 1e30 for each in sizes):
                continue
            change = abs(np.log2(sizes[0] / sizes[1]))
            if b == 0 and change < 6:
                yield replace(base, times=times, variable="e", exponential=e, decays=True)
            if b != 0 and change < 12:
                yield replace(base, times=times, variable="x", exponential=e, decays=True)

    # -- coefficients ------------------------------------------------------------------------------------------------

    def fitted(self, form: Form, low: Fraction, high: Fraction, formula: Expression) -> Piece | None:
        """The piece with the fewest operations that is good."""
        v, g, weight = self.data(form, low, high, formula)
        if not v:
            return None
        room = SHARE * (self.wanted - 0.5)
        ends = ((2, 0), (MOST_DEGREE - 1, 0), (MOST_BELOW, MOST_BELOW))
        biggest = [near_best(v, g, weight, each, 2)[0] for each in ends]
        if min(biggest) > room:
            return None
        tried = [0, 0]  # polynomials, and quotients, whose own roundings are more
        for p, q in TYPES:
            if tried[q > 0] == TRIES:
                continue
            if near_best(v, g, weight, (p, q), 1 if q == 0 else 3)[0] > room:
                continue
            try:
                sides = self.rounded((v, g, weight), (p, q))
            except ValueError:  # a coefficient is too large for the format
                return None
            piece = self.written(form, sides[0], sides[1], high)
            if self.good(piece, low, high, formula):
                return piece
            tried[q > 0] += 1
        return None

    def rounded(self, data: Data, type: tuple[int, int]) -> list[tuple[Fraction, ...]]:
        """The coefficients of numerator and denominator in the format."""
        if not type[1]:
            return [rounded_polynomial(*data, type[0], self.format), (Fraction(1),)]
        _, top, bottom = near_best(*data, type, 8)
        return [tuple(round_to(to_fraction(c), self.format) for c in side) for side in (top, bottom)]

    def written(self, form: Form, top: tuple[Fraction, ...], bottom: tuple[Fraction, ...], high: Fraction) -> Piece:
        """The operations."""
        piece = form_piece(form, top, bottom, float(high), self.scheme)
        self.written_as[piece] = form, top, bottom
        return piece

    def data(self, form: Form, low: Fraction, high: Fraction, formula: Expression) -> Data:
        """Variable, wanted values of R, and weights in units in the last place."""
        v, g, weight = [], [], []
        ends = (to_arb(low), to_arb(high))
        if form.variable == "x^2" and low < 0 < high:
            ends = (arb(0), ends[1].max(-ends[0]))
        turned = form.variable == "1/x"
        for x in chebyshev_points(*((1 / ends[1], 1 / ends[0]) if turned else ends), POINTS):
            x = (1 / x).mid() if turned else x
            value = formula.ball(x)
            factor = x**form.times
            e = None
            if form.exponential is not None:
                a, b, _ = map(to_arb, form.exponential.rates)
                e = (a * x + b * x * x).exp()
                factor = factor * e if form.decays else factor
            if not value.is_finite() or value.contains(0) or factor.contains(0):
                continue
            variable = {"x^2": x * x, "x - c": x - to_arb(form.centre), "e": e, "x": x, "1/x": 1 / x}[form.variable]
            v.append(variable.mid())
            g.append(((value - x * to_arb(form.slope) - to_arb(form.offset)) / factor).mid())
            weight.append((abs(factor / value) * arb(2) ** self.bits).mid())
        return v, g, weight

    # -- whether a piece is good -------------------------------------------------------------------------------------

    def good(self, piece: Piece, low: Fraction, high: Fraction, formula: Expression) -> bool:
        """Whether its error is proved to be small at some places between two numbers, both ends with them."""
        kernel = Kernel(self.format, self.format, (piece,), tuple(self.library.made.values()), self.scheme)
        for a, b in ((low, min(high, Fraction(0))), (max(low, Fraction(0)), high)):
            if a >= b:
                continue
            judge = judge_of(piece, formula, kernel, (a, b))
            far = max(a, b, key=abs)
            near = [between(x, x * (1 + Fraction(1, 2**12))) for x in self.places(a, b)]
            boxes = [between(far, far * (1 - Fraction(1, 2**30))), *near]
            if 0 in (a, b) and abs(far) > judge.squares:
                side = 1 if far > 0 else -1
                outer = min(abs(far), Fraction(1, 64))
                # Where results are below twice the least normal number sums are exact; further out, in the middle of
                # a binade, subnormal products count half as much.
                steep = abs(formula.ball(to_arb(side * Fraction(1, 2**20)))).upper() * 2**20
                unit = self.normal / to_fraction(steep.max(arb(1) / 8).min(arb(8)).mid())
                boxes.append(between(Fraction(0), side * unit))
                boxes.append(between(3 * side * unit, side * outer, near=True))
            if not all(judge.found(box).ulp <= self.wanted for box in boxes):
                return False
        return True

    def places(self, a: Fraction, b: Fraction) -> list[Fraction]:
        """Places between two numbers of the same sign: even in size, and in its logarithm."""
        side = 1 if b > 0 else -1
        near, far = sorted((abs(a), abs(b)))
        least = near or far / PLACES
        even = [near + (far - near) * k / PLACES for k in range(PLACES + 1)]
        low, high = np.log2(float(least)), np.log2(float(far))
        spread = [Fraction(float(2.0 ** (low + (high - low) * k / 6))) for k in range(1, 6)]
        margin = 1 - Fraction(1, 2**11)
        return [side * each * (margin if each == far else 1) for each in sorted({*even, *spread}) if each >= least]
