"""The search for code that calculates in the format of its results, as kernels in float32 and in float64 do.

Nothing is rounded at the end, so that the last operation has to add something small to something exact. A piece is the
target's formula, whose functions do that, or a form with a *base*: a number of the format, or x times a power of two.
What is added needs fewer correct digits the smaller it is; so pieces begin at zero, and each reaches as far as its
error, with all roundings, is proved to be small at some places. The proof of the whole comes afterwards.
"""

from dataclasses import replace
from fractions import Fraction
from math import inf

from flint import arb

from rational_approx import watch
from rational_approx.arithmetic.precision import to_fraction, working_bits
from rational_approx.expressions.expression import Expression
from rational_approx.kernels.enclosed import at_point
from rational_approx.kernels.exp_times import ExpForm
from rational_approx.kernels.forms import Form
from rational_approx.kernels.kernel import Kernel, NoKernel, Piece
from rational_approx.kernels.library import Called
from rational_approx.kernels.own_ends import closed, extent, with_edges
from rational_approx.kernels.own_forms import falling_forms, far_forms, zero_forms
from rational_approx.kernels.own_numbers import Numbers
from rational_approx.kernels.own_pieces import Pieces
from rational_approx.kernels.own_sines import MODERATE
from rational_approx.kernels.own_tails import tail
from rational_approx.kernels.scheme import Scheme
from rational_approx.programs.program import Constant

__all__ = ["kernel_in_itself"]

BITS = 320

REACHES = (
    *(Fraction(k, 8) for k in range(1, 8)),
    *(Fraction(k, 8) for k in (*range(8, 24, 2), 24, 28, 32, 40, 48, 64, 80, 96, 128, 192)),
    *(Fraction(2) ** k for k in (5, 6, 7, 8, 9, 10, 12, 14, 18, 24, 32, 48, 64)),
)
"""Where pieces may end."""
ROUNDED = 1.9
"""A product of two rounded numbers is not within fewer units."""
NEXT_TO_ZERO = Fraction(1, 2**20)
"""Pieces that begin nearer to zero may have the forms about zero."""


def kernel_in_itself(target: Expression, format: str, wanted: Fraction, segments: int, scheme: Scheme) -> Kernel:
    """Code within ``wanted`` units in the last place, with at most so many pieces on each side of zero and of switches.

    Raises
    ------
    NoKernel
        where none was found.
    """
    with working_bits(BITS):
        return _Search(target, format, float(wanted) - 3e-6, segments, scheme).kernel()


class _Search:
    def __init__(self, target: Expression, format: str, wanted: float, segments: int, scheme: Scheme) -> None:
        self.target, self.wanted, self.segments, self.scheme = target, wanted, segments, scheme
        self.numbers = Numbers(format)
        self.pieces = Pieces(self.numbers, wanted, scheme)
        # Half of what is larger is no subnormal number, with room for enclosures.
        self.halved = self.numbers.near(self.numbers.normal * (2 + Fraction(1, 2**9)))
        self.exp = self.pieces.library.function(Called("exp"))

    def kernel(self) -> Kernel:
        """The pieces from left to right."""
        first, last, edges = extent(self.target, self.numbers)
        switches = {self.numbers.near(Fraction(cut)) for cut in self.target.breakpoints(-inf, inf)}
        if {node.operator for node in self.target.tree.walk()} & {"sin", "cos", "tan"}:  # beyond, they take longer
            switches |= {side * Fraction(2) ** MODERATE[self.numbers.format] for side in (1, -1)}
        cuts = sorted(cut for cut in switches if first < cut < last)
        # A tail ends at the outermost switch, or at zero.
        left = self.tail(min([Fraction(0), *cuts[:1]]), -1) if edges[0] is None else None
        right = self.tail(max([Fraction(0), *cuts[-1:]]), 1) if edges[1] is None else None
        start = first if left is None else self.numbers.beside(left[1], 1)
        stop = last if right is None else self.numbers.beside(right[1], -1)
        pieces = [] if left is None else [left[0]]
        pieces += self.pieces_between(start, stop, cuts)
        pieces += [] if right is None else [right[0]]
        pieces = closed(self.target, self.numbers, self.pieces.library, pieces, edges)
        pieces = with_edges(self.target, self.numbers, pieces, edges)
        called = {op for piece in pieces for op, _ in piece.steps}
        functions = tuple(f for f in self.pieces.library.made.values() if f.name in called)
        return Kernel(self.numbers.format, self.numbers.format, self.joined(pieces), functions, self.scheme)

    def tail(self, cut: Fraction, side: int) -> tuple[Piece, Fraction] | None:
        return tail(self.target, self.numbers, self.wanted, self.scheme, cut, side)

    def joined(self, pieces: list[Piece]) -> tuple[Piece, ...]:
        """Equal neighbours as one piece, the last one without an end."""
        out: list[Piece] = []
        for piece in pieces:
            if out and (out[-1].steps, out[-1].result) == (piece.steps, piece.result):
                out.pop()
            out.append(piece)
        out[-1] = replace(out[-1], upper=inf)
        return tuple(out)

    def pieces_between(self, start: Fraction, stop: Fraction, cuts: list[Fraction]) -> list[Piece]:
        """Pieces from one number to another."""
        if start > stop:
            return []
        out: list[Piece] = []
        ends = [start, *(cut for cut in cuts if start <= cut < stop), stop]
        if 0 not in cuts and start < 0 < stop:
            whole = self.pieces.formula(start, stop, self.target.on(start, stop))
            if whole is not None:
                return [whole]
        begin = start
        for end in ends[1:]:
            if begin > end:
                continue
            out += self.stretch(begin, end) if begin < end else [self.single(begin)]
            begin = self.numbers.beside(end, 1) if end < stop else end + 1
        return out

    def stretch(self, first: Fraction, last: Fraction) -> list[Piece]:
        """Pieces between two cuts: from zero, or from the end that is nearer to it, outwards."""
        # Of the number next to zero on, as of zero: a branch that switches there is decided.
        least = self.numbers.beside(Fraction(0), 1)
        low, high = (Fraction(0) if abs(end) == least else end for end in (first, last))
        formula = self.target.on(low, high) if low < high else self.target
        low = first
        if first < 0 < last:
            middle = self.around_zero(first, last, formula)
            if middle is None:
                left = self.outwards(self.numbers.beside(Fraction(0), -1), first, formula)
                right = self.outwards(self.numbers.beside(Fraction(0), 1), last, formula)
                return [*left[::-1], self.single(Fraction(0)), *right]
            piece, low, high = middle
            right = self.outwards(self.numbers.beside(high, 1), last, formula) if high < last else []
            if (low, first) == (-high, -last) and self.is_odd():
                left = self.mirrored(right, formula, self.numbers.beside(high, 1), first)
            else:
                left = self.outwards(self.numbers.beside(low, -1), first, formula) if low > first else []
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
            if piece in self.pieces.written_as:
                form, top, bottom = self.pieces.written_as[piece]
                turns = form.variable in ("x", "x - c", "1/x")
                sign = -((-1) ** form.times)
                sides = [tuple(c * (-1) ** (k * turns) for k, c in enumerate(side)) for side in (top, bottom)]
                other = _mirror(form)
                taken_over = self.pieces.written(other, tuple(sign * c for c in sides[0]), sides[1], inner)
            else:
                own = self.pieces.formula(outer, inner, formula)
                if own is None:
                    raise NoKernel("the formula is good on one side of zero only: ask for a larger error")
                taken_over = own
            out.append(replace(taken_over, upper=float(inner)))
            inner = self.numbers.beside(-outer, 1)
        return out

    def single(self, x: Fraction) -> Piece:
        """The value at one number, where it is one of the format."""
        value = at_point(self.target, x)
        if value is None:
            raise NoKernel(f"at x = {float(x):g} the target has no value that is known: give one, with where(...)")
        return Piece(float(x), (), Constant(self.numbers.near(to_fraction(value.mid()))), f"the value at {float(x):g}")

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
                    f"from x = {float(inner):g} on no form with operations in {self.numbers.format} is within "
                    f"{self.wanted:g} ulp: ask for a larger error, for more segments=, or, of float32, for "
                    "accumulate='float64'"
                )
            piece, end = found
            out.append(piece if side > 0 else replace(piece, upper=float(inner)))
            if end == outer:
                break
            inner = self.numbers.beside(end, side)
        return out

    def farthest(
        self, inner: Fraction, outer: Fraction, formula: Expression, side: int
    ) -> tuple[Piece, Fraction] | None:
        """The piece that reaches farthest."""
        ends = [
            outer,
            *(side * self.numbers.near(r) for r in sorted(REACHES, reverse=True) if abs(inner) < r < abs(outer)),
        ]
        if abs(inner) < 2 * self.numbers.normal < abs(outer) / 2:  # some functions are good for normal numbers alone
            ends.append(side * self.numbers.beside(4 * self.numbers.normal, -1))
            ends.append(side * self.halved)
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
        own = self.pieces.formula(low, high, formula) or self.pieces.shifted(low, high, formula)
        if own is not None:
            return own
        forms = (
            *(zero_forms(self.numbers, formula) if abs(inner) < NEXT_TO_ZERO else ()),
            *far_forms(self.numbers, self.exp, low, high, formula, side, self.wanted < ROUNDED),
            *falling_forms(self.numbers, low, high, formula, side, self.scheme),
        )
        for form in forms:
            watch.check()
            piece = self.pieces.fitted(form, low, high, formula)
            if piece is not None:
                return piece
        return None

    def around_zero(
        self, first: Fraction, last: Fraction, formula: Expression
    ) -> tuple[Piece, Fraction, Fraction] | None:
        """The piece about zero that reaches farthest, and its ends."""
        forms = list(zero_forms(self.numbers, formula))
        best: tuple[Piece, Fraction, Fraction] | None = None
        # A product with x is good where results are subnormal, where a base may not be exact.
        reaches = [self.halved, *(r for r in REACHES if r <= 16)]
        low, high = 0, len(reaches)
        while low < high:
            at = (low + high) // 2
            a, b = max(first, -reaches[at]), min(last, reaches[at])
            pieces = (self.pieces.fitted(form, a, b, formula) for form in forms)
            found = next((piece for piece in pieces if piece is not None), None)
            if found is not None:
                best, low = (found, a, b), at + 1
            else:
                high = at
        return best


def _mirror(form: Form | ExpForm) -> Form | ExpForm:
    """The form of the mirror image of an odd function's piece."""
    if isinstance(form, ExpForm):
        return form.mirrored()
    other = replace(form, offset=-form.offset, centre=-form.centre)
    if form.exponential is None:
        return other
    a, b, c = form.exponential.rates
    return replace(other, exponential=replace(form.exponential, rates=(-a, b, -c)))
