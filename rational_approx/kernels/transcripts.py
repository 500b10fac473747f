"""Where a target's own formula is good enough as code: found by running it at every number that is tried.

Functions are made as fine as that takes: what an exponential makes of a logarithm's error is many times larger.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from flint import arb

from rational_approx.arithmetic.floats import FORMATS
from rational_approx.arithmetic.precision import working_bits
from rational_approx.expressions.expression import Expression
from rational_approx.kernels.facts import errors_at
from rational_approx.kernels.followed import FollowedJudge, Proved
from rational_approx.kernels.formulas import Library, NoFormula, Writing, taken
from rational_approx.kernels.kernel import BRANCH, Function, Kernel, Piece, operations
from rational_approx.kernels.numbers import INNER, KINDS
from rational_approx.kernels.scheme import Scheme
from rational_approx.kernels.truth import Truth

__all__ = ["Transcripts", "transcripts"]

FINER = (1.0, 2.0**-6, 2.0**-12)
"""Shares of the functions' error that are tried, one after the other."""
ENOUGH = 0.99
"""Finer functions are taken where they are good at so many more numbers."""
BITS, SAMPLE = 128, 600
"""The precision of the proof of a formula's error at so many numbers."""
Transcript = tuple[int, int, Piece]


@dataclass(frozen=True)
class Transcripts:
    """The formula's code from one input to another, where it has one, and at which inputs it is good enough."""

    library: Library
    parts: tuple[Transcript, ...]
    good: np.ndarray

    def piece(self, start: int, stop: int, upper: float) -> Piece | None:
        """The formula as a piece for inputs ``x[start:stop]``; None where it is not good at all of them."""
        codes = {(piece.steps, piece.result) for a, b, piece in self.parts if max(a, start) < min(b, stop)}
        if len(codes) != 1 or not self.good[start:stop].all():
            return None
        steps, result = codes.pop()
        return Piece(upper, steps, result, "the formula itself")

    def counted(self, start: int, stop: int) -> float:
        """What the formula counts as a piece for these inputs; infinite where it is not good."""
        piece = self.piece(start, stop, 0.0)
        return float("inf") if piece is None else self.operations(piece) + BRANCH

    def operations(self, piece: Piece) -> int:
        """What a piece counts, with the functions that it calls."""
        return operations(piece, tuple(self.library.made.values()))

    def waves(self, start: int, stop: int) -> bool:
        """Whether the formula is good for these inputs and calls a sine: then a constant is near it at few numbers."""
        piece = self.piece(start, stop, 0.0)
        sines = {function.name for called, function in self.library.made.items() if called.turns is not None}
        return piece is not None and any(op in sines for op, _ in piece.steps)

    def functions(self, pieces: list[Piece]) -> tuple[Function, ...]:
        """The functions that pieces call."""
        called = {op for piece in pieces for op, _ in piece.steps}
        return tuple(f for f in self.library.made.values() if f.name in called)


def transcripts(known: Truth, cuts: tuple[float, ...], room: float, scheme: Scheme) -> Transcripts:
    """The target's formula as code, with functions as coarse as they may be."""
    best: Transcripts | None = None
    for share in FINER:
        error = room / 4 * share * 2.0 ** -FORMATS[known.format][0]
        library = Library(known.format, INNER[known.format], error, scheme)
        found = _written(known, cuts, library, room)
        if best is None or found.good.sum() * ENOUGH > best.good.sum():
            best = found
        if found.good.all() or not library.made:
            break
    assert best is not None
    return best


def _written(known: Truth, cuts: tuple[float, ...], library: Library, room: float) -> Transcripts:
    x, good = known.x, np.zeros(known.x.size, dtype=bool)
    places = {0, x.size, int(np.searchsorted(x, 0.0, "left"))}
    for cut in cuts:
        places |= {int(np.searchsorted(x, cut, "left")), int(np.searchsorted(x, cut, "right"))}
    parts: list[Transcript] = []
    for a, b in pairwise(sorted(places)):
        writing = Writing(library)
        tree = known.target.on(Fraction(float(x[a])), Fraction(float(x[b - 1]))).tree
        try:
            result = taken(tree, 1 if x[b - 1] > 0 else -1, writing)
        except NoFormula:
            continue
        piece = Piece(float(x[b - 1]), *writing.writer.needed(result), "")
        if not library.scheme.obeyed(piece.steps):
            continue
        kernel = Kernel(known.format, INNER[known.format], (piece,), tuple(writing.called.values()), library.scheme)
        good[a:b] = errors_at(kernel, known, slice(a, b)) <= 0.5 + room
        if known.format not in KINDS:
            good[a:b] &= _proved(kernel, Expression(tree), x[a:b], room)
        parts.append((a, b, piece))
    return Transcripts(library, tuple(parts), good)


def _proved(kernel: Kernel, formula: Expression, x: np.ndarray, room: float) -> np.ndarray:
    """Where the error is proved to be small: the numbers tried have few bits, so that their sums seldom round."""
    with working_bits(BITS):
        judge = FollowedJudge(kernel.pieces[0], formula, kernel, Proved(kernel), 1 if x[-1] > 0 else -1)
        ends = [0, min(1, x.size - 1), max(x.size - 2, 0)]
        at = np.unique([*np.linspace(0, x.size - 1, SAMPLE).astype(int), *ends])
        found = [judge.judged_on(arb(float(point) or float(judge.least))).ulp <= 0.5 + room for point in x[at]]
    # Between two of them it is as at the worse one.
    after = np.searchsorted(at, np.arange(x.size))
    sure = np.array(found)
    return sure[after] & (sure[np.maximum(after - 1, 0)] | (at[after] == np.arange(x.size)))
