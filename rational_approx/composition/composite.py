"""`Composite`: polynomials one after the other, near to sign or ReLU, and what is proved of them."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from rational_approx.arithmetic.polynomials import fractions
from rational_approx.arithmetic.values import Value
from rational_approx.composition.bounds import Stage, odd_polynomial
from rational_approx.composition.degrees import used
from rational_approx.fitting.cost import multiplications

__all__ = ["Composite", "decimal"]

HALF = Fraction(1, 2)


@dataclass(frozen=True, repr=False)
class Composite(Value):
    """A composition of odd polynomials near sign(x), or x times half of one more than it, near ReLU.

    ``x_1 = x``, ``x_(k+1) = p_k(x_k) + d_k`` with any ``abs(d_k) <= noise``. All ``x_k`` but the last lie in [-1, 1],
    for every x in [-1, 1]. The last is s(x). Of sign, ``abs(s(x) - sign(x)) <= error`` for ``gap <= abs(x) <= 1``. Of
    ReLU, ``abs(x (1 + s(x))/2 - max(x, 0)) <= error`` for ``abs(x) <= 1``.

    Attributes
    ----------
    function:
        ``"sign"`` or ``"relu"``.
    gap, noise, error:
        As above, exact.
    unit:
        Coefficients are multiples of it.
    stages:
        From the first to the last.
    """

    function: str
    gap: Fraction
    noise: Fraction
    unit: Fraction
    stages: tuple[Stage, ...]
    error: Fraction

    @property
    def degrees(self) -> tuple[int, ...]:
        """Of the stages."""
        return tuple(stage.degree for stage in self.stages)

    @property
    def depth(self) -> int:
        """Levels: ``ceil(log2(d + 1))`` for each stage, and one for the product of ReLU; see :mod:`fitting.cost`."""
        return used(self.degrees) + (self.function == "relu")

    @property
    def multiplications(self) -> int:
        """Products of two values that depend on x; see :mod:`fitting.cost`."""
        return sum(multiplications(d, odd=True) for d in self.degrees) + (self.function == "relu")

    def coefficients(self, basis: str = "chebyshev") -> list[list[Fraction]]:
        """The coefficients of each stage, lowest first, exact, zeros too.

        Of ReLU, the last stage is half of the one near sign, plus 1/2: the product of x and its value is near ReLU.

        Parameters
        ----------
        basis:
            ``"chebyshev"``: of the polynomials ``T_0, T_1, ...`` on [-1, 1]; ``"powers"``: of ``1, x, x**2, ...``.

        Raises
        ------
        ValueError
            for another basis.
        """
        if basis not in ("chebyshev", "powers"):
            raise ValueError(f"basis must be 'chebyshev' or 'powers', not {basis!r}")
        out = []
        for stage in self.stages:
            if basis == "powers":
                out.append(list(fractions(odd_polynomial(stage.coefficients))))
            else:
                out.append([c for odd in stage.coefficients for c in (Fraction(0), odd)])
        if self.function == "relu":
            out[-1] = [HALF, *(c * HALF for c in out[-1][1:])]
        return out

    @cached_property
    def _floats(self) -> list[np.ndarray]:
        return [np.array([float(c) for c in stage]) for stage in self.coefficients()]

    def __call__(self, x: Any) -> Any:
        """The value at x in [-1, 1], a number or an array, in float64."""
        value = np.asarray(x, dtype=np.float64)
        for stage in self._floats:
            value = np.polynomial.chebyshev.chebval(value, stage)
        value = value * x if self.function == "relu" else value
        return float(value) if np.ndim(value) == 0 else value

    def __repr__(self) -> str:
        return f"Composite({self.function}, degrees {self.degrees}, error {float(self.error):.6g})"

    def __str__(self) -> str:
        where = "on [-1, 1]" if self.function == "relu" else f"where {_shown(self.gap)} <= abs(x) <= 1"
        noise = f", with every stage off by up to {_shown(self.noise)}" if self.noise else ""
        lines = [
            f"{self.function}(x) {where}: error <= {_up(self.error)}, proved{noise}",
            f"  {self.depth} levels, {self.multiplications} multiplications; "
            f"coefficients are multiples of {_shown(self.unit)}",
        ]
        lines += [
            f"  {k + 1}. degree {stage.degree}: [{_down(stage.lower)}, 1] to [{_down(stage.low)}, {_up(stage.high)}]"
            for k, stage in enumerate(self.stages)
        ]
        if self.function == "relu":
            lines.append(f"  then x (1 + s)/2; below abs(x) = {_shown(self.gap)} s may have any value in [-1, 1]")
        return "\n".join(lines)


def decimal(value: Fraction) -> str:
    """An exact number whose denominator has the factors 2 and 5 alone, in decimal.

    >>> decimal(Fraction(-3, 8)), decimal(Fraction(1, 50)), decimal(Fraction(7))
    ('-0.375', '0.02', '7')
    """
    places = 0
    while (value * 10**places).denominator > 1:
        places += 1
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    whole, after = digits[: len(digits) - places], digits[len(digits) - places :]
    return ("-" if value < 0 else "") + whole + (f".{after}" if places else "")


def _shown(value: Fraction) -> str:
    """A number that a user gave."""
    n, d = value.numerator, value.denominator
    if n == 1 and d > 8 and d & (d - 1) == 0:
        return f"2^-{d.bit_length() - 1}"
    if n == 1 and d > 1 and set(str(d)[1:]) == {"0"} and str(d)[0] == "1":
        return f"10^-{len(str(d)) - 1}"
    return str(value) if len(str(value)) < 12 else f"{float(value):.6g}"


def _up(value: Fraction) -> str:
    return _rounded(value, ROUND_CEILING)


def _down(value: Fraction) -> str:
    return _rounded(value, ROUND_FLOOR)


def _rounded(value: Fraction, rounding: str) -> str:
    """Seven digits of the number, or of its distance from 1 where it is near, on the safe side."""
    near = abs(1 - value) < HALF
    rest = value - 1 if near else value
    if not rest:
        return "1"
    shown = Context(prec=7, rounding=rounding).divide(Decimal(rest.numerator), Decimal(rest.denominator))
    return f"1 {'-' if rest < 0 else '+'} {abs(shown):.7g}" if near else f"{shown:.7g}"
