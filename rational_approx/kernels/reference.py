"""A second code for a function, whose result is so near to the function that it tells right outputs from wrong ones.

It calculates in float64 as the code that is judged does, but is fitted and proved to a small share of a unit in the
last place, and its result is not rounded. The proof is that of :mod:`kernels.enclosed`.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf
from typing import ClassVar, NamedTuple

import numpy as np

from rational_approx.arithmetic.floats import FORMATS
from rational_approx.expressions.expression import Expression
from rational_approx.kernels.enclosed import NotProved, enclosed_facts
from rational_approx.kernels.kernel import Kernel, NoKernel, Piece
from rational_approx.kernels.machines import KEPT, Machine
from rational_approx.kernels.search import kernel_for
from rational_approx.kernels.settling import MARGIN
from rational_approx.kernels.truth import truth
from rational_approx.programs.program import Constant

__all__ = ["Close", "Reference", "reference_for"]

SHARES = (Fraction(1, 10**5), Fraction(1, 10**4), Fraction(1, 10**3))
"""Units in the last place that are tried; where the first one is too little, more inputs have to be decided singly."""
FINER = (1.0, 0.25)
SEGMENTS = 16


@dataclass(frozen=True)
class Reference(Kernel):
    """Code whose result stays in the wider format."""

    rounds: ClassVar[bool] = False

    def __call__(self, x: np.ndarray, machine: Machine = KEPT) -> np.ndarray:
        """The outputs in the wider format, for numbers of the format as float32."""
        return self.unrounded(x, machine)


class Close(NamedTuple):
    """A reference, and the share of a unit in the last place within which its results are."""

    kernel: Reference
    within: Fraction


def reference_for(target: Expression, format: str) -> Close:
    """A reference for a target at every number of a format at which it has a value.

    Raises
    ------
    NoKernel
        where none is found.
    """
    known = truth(target, format)
    cuts = tuple(float(cut) for cut in target.breakpoints(-inf, inf))
    trouble = ""
    for within in SHARES:
        for share in FINER:
            room = float(within) * MARGIN * share
            try:
                found = kernel_for(known, cuts, room, 0.5 + float(within), SEGMENTS, rounds=False)
                pieces = tuple(_far(piece, found.format) for piece in found.pieces)
                kernel = Reference(found.format, found.inner, pieces, found.functions)
                return Close(kernel, enclosed_facts(kernel, target, within).ulp)
            except (NoKernel, NotProved) as problem:
                trouble = trouble or str(problem)
    raise NoKernel(f"no code is near enough to the function to tell which outputs are right: {trouble}")


def _far(piece: Piece, format: str) -> Piece:
    """A constant that stands for what is too large, so large that whoever compares it with a bound has no doubt."""
    top = Fraction(2) ** FORMATS[format][2]
    if isinstance(piece.result, Constant) and abs(piece.result.value) >= top:
        return replace(piece, result=Constant(2 * top * (1 if piece.result.value > 0 else -1)))
    return piece
