"""Where a target's own formula is good enough as code: found by running it at every number that is tried.

Functions are made as fine as that takes: what an exponential makes of a logarithm's error is many times larger.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
from flint import arb

from rational_approx.arithmetic.floats import FORMATS
from rational_approx.arithmetic.precision import working_bits
from rational_approx.expressions.expression import Expression
from rational_approx.expressions.nodes import Node
from rational_approx.kernels.facts import errors_at
from rational_approx.kernels.followed import FollowedJudge, Proved
from rational_approx.kernels.formulas import STYLES, Style, Writing, taken
from rational_approx.kernels.kernel import BRANCH, Function, Kernel, Piece, operations
from rational_approx.kernels.library import Library, NoFormula, kind_of
from rational_approx.kernels.numbers import INNER, KINDS
from rational_approx.kernels.scheme import PLAIN, Scheme
from rational_approx.kernels.truth import Truth
from rational_approx.programs.program import Operand, Step

__all__ = ["Transcripts", "transcripts"]

FINER, FINEST = (1.0, 2.0**-6, 2.0**-12), 2.0**-20
"""Shares of the functions' error that are tried, one after the other, and the least one."""
ENOUGH = 0.998
"""Finer functions are taken where they are good at so many more numbers."""
BITS, SAMPLE = 128, 600
"""The precision of the proof of a formula's error at so many numbers."""
SHORTEST = 40
"""Shorter runs of inputs are no reason for a cut."""
Transcript = tuple[int, int, Piece]


@dataclass(frozen=True)
class Variant:
    """The formula's code in one style, from one input to another, where it has one, and at which it is good enough."""

    parts: tuple[Transcript, ...]
    good: np.ndarray

    def piece(self, start: int, stop: int, upper: float) -> Piece | None:
        """The code for inputs ``x[start:stop]``; None where it is not good at all of them."""
        codes = {(piece.steps, piece.result) for a, b, piece in self.parts if max(a, start) < min(b, stop)}
        if len(codes) != 1 or not self.good[start:stop].all():
            return None
        steps, result = codes.pop()
        return Piece(upper, steps, result, "the formula itself")

    def ends(self) -> set[int]:
        """Where the longest run of inputs at which it is good begins and ends, of each part."""
        out = set[int]()
        for a, b, _ in self.parts:
            flips = [a - 1, *(a + np.flatnonzero(~self.good[a:b])).tolist(), b]
            left, right = max(pairwise(flips), key=lambda run: run[1] - run[0])
            if right - left > SHORTEST:  # whoever takes it is tried at a number more at each end
                out |= {left + 2 if left >= a else a, right - 1 if right < b else b}
        return out


@dataclass(frozen=True)
class Transcripts:
    """The formula's code in each style."""

    library: Library
    variants: tuple[Variant, ...]

    @property
    def good(self) -> np.ndarray:
        """At which inputs one of the variants is good enough."""
        return np.any([variant.good for variant in self.variants], axis=0)

    def ends(self) -> set[int]:
        """Where inputs may be cut, so that a variant is good on one side."""
        return set[int]().union(*(variant.ends() for variant in self.variants))

    def piece(self, start: int, stop: int, upper: float) -> Piece | None:
        """The formula as a piece for inputs ``x[start:stop]``, in the style with the fewest operations; None where it
        is not good at all of them."""
        found = [piece for each in self.variants if (piece := each.piece(start, stop, upper)) is not None]
        return min(found, key=self.operations, default=None)

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


def transcripts(
    known: Truth, cuts: tuple[float, ...], room: float, scheme: Scheme, finest: bool = False
) -> Transcripts:
    """The target's formula as code, with functions as coarse as they may be, or the finest ones."""
    best: Transcripts | None = None
    for share in (FINEST,) if finest else FINER:
        error = room / 4 * share * 2.0 ** -FORMATS[known.format][0]
        library = Library(known.format, INNER[known.format], error, scheme)
        found = _written(known, cuts, library, room)
        finer = best is None or found.good.sum() * ENOUGH > best.good.sum()
        best = found if finer or best is None else best
        if found.good.all() or not finer or not library.made:
            break
    assert best is not None
    return best


def _written(known: Truth, cuts: tuple[float, ...], library: Library, room: float) -> Transcripts:
    variants: list[Variant] = []
    written = set[tuple[tuple[Step, ...], Operand | None, bool]]()
    plain = replace(library.scheme, form=None) == PLAIN
    for style in STYLES if plain else STYLES[:1]:
        every = _parts(known, cuts, library, style)
        codes = [(piece.steps, piece.result, bool(known.x[b - 1] > 0)) for _, b, piece in every]
        parts = tuple(part for part, code in zip(every, codes) if code not in written)
        if parts:
            variants.append(_variant(known, parts, library, style, room))
            written |= set(codes)
    return Transcripts(library, tuple(variants) or (Variant((), np.zeros(known.x.size, dtype=bool)),))


def _parts(known: Truth, cuts: tuple[float, ...], library: Library, style: Style) -> tuple[Transcript, ...]:
    """The formula between cuts; in a style for inputs far out only there, and only where it differs from the others."""
    x, parts = known.x, list[Transcript]()
    places = {0, x.size} | ({int(np.searchsorted(x, 0.0, "right"))} if x[0] < 0 else set())
    far = style.beyond
    if far is not None:
        places |= {int(np.searchsorted(x, -float(far), "right")), int(np.searchsorted(x, float(far), "left"))}
    places |= set(known.gap_places)
    for cut in cuts:
        places |= {int(np.searchsorted(x, cut, "left")), int(np.searchsorted(x, cut, "right"))}
    for a, b in pairwise(sorted(places)):
        if far is not None and float(np.abs(x[a:b]).min()) < far:
            continue
        tree, side = _tree(known, a, b), 1 if x[b - 1] > 0 else -1
        codes = []
        for each in (style, *([style._replace(beyond=None)] if far is not None else [])):
            writing = Writing(library)
            with suppress(NoFormula):
                result = taken(tree, side, writing, each)
                codes.append(Piece(float(x[b - 1]), *writing.writer.needed(result), ""))
        if codes and codes[0].steps and codes[0] not in codes[1:] and library.scheme.obeyed(codes[0].steps):
            parts.append((a, b, codes[0]))
    return tuple(parts)


def _tree(known: Truth, a: int, b: int) -> Node:
    return known.target.on(Fraction(float(known.x[a])), Fraction(float(known.x[b - 1]))).tree


def _variant(known: Truth, parts: tuple[Transcript, ...], library: Library, style: Style, room: float) -> Variant:
    x, good = known.x, np.zeros(known.x.size, dtype=bool)
    functions = tuple(library.made.values())
    for a, b, piece in parts:
        called = {op for op, _ in piece.steps}
        own = tuple(function for function in functions if function.name in called)
        kernel = Kernel(known.format, INNER[known.format], (piece,), own, library.scheme)
        good[a:b] = errors_at(kernel, known, slice(a, b)) <= 0.5 + room
        if known.format not in KINDS and good[a:b].any():
            good[a:b] &= _proved(kernel, Expression(_tree(known, a, b)), x[a:b], style, room, known.zeros)
        if x[a] == 0 and any(kind_of(function) == "log" for function in own):  # of zero it is no logarithm
            good[a:b] &= x[a:b] != 0
    return Variant(parts, good)


def _proved(
    kernel: Kernel, formula: Expression, x: np.ndarray, style: Style, room: float, zeros: tuple[Fraction, ...]
) -> np.ndarray:
    """Where the error is proved to be small: the numbers tried have few bits, so that their sums seldom round."""
    with working_bits(BITS):
        side = 1 if x[-1] > 0 else -1
        judge = FollowedJudge(kernel.pieces[0], formula, kernel, Proved(kernel), side, style)
        ends = [0, min(1, x.size - 1), max(x.size - 2, 0)]
        count = SAMPLE if style.beyond is None else SAMPLE // 6
        near = np.searchsorted(x, np.array([float(zero) for zero in zeros]))
        ends += [k for k in (*near, *(near - 1)) if 0 <= k < x.size]
        at = np.unique([*np.linspace(0, x.size - 1, count).astype(int), *ends])
        found = [judge.judged_on(arb(float(point) or side * float(judge.least))).ulp <= 0.5 + room for point in x[at]]
    # Between two of them it is as at the worse one.
    after = np.searchsorted(at, np.arange(x.size))
    sure = np.array(found)
    return sure[after] & (sure[np.maximum(after - 1, 0)] | (at[after] == np.arange(x.size)))
