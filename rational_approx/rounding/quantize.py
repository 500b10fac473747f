"""`quantize`: coefficients in a floating-point format, with an error close to the best possible.

Rounding each coefficient to the nearest number of the format changes the error by many times the best one, in all
directions at once. Rounding them *together* does not: the changes ``dP`` and ``dQ`` turn the error ``e`` into exactly
``e - w (dP - r dQ) / (Q + dQ)``, so that wanted are integer multiples of the coefficients' last places for which
``dP - r dQ`` is small. That is a closest vector problem (Brisebarre & Chevillard 2007 for polynomials), solved by
lattice reduction and random nearest planes, and then by descent on the true largest error, along short lattice vectors.
``P`` and ``Q`` may be scaled together, which moves all coefficients on their grids: several scales are tried, but for a
fit of a prescribed form, whose fixed coefficients, ``Q(0) = 1`` among them, stay as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import Any, NamedTuple

import numpy as np

from rational_approx import watch
from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.floats import FORMATS, in_format, last_place
from rational_approx.arithmetic.signs import denominator_sign, in_range, turns
from rational_approx.programs.rounding_errors import evaluation_error
from rational_approx.rationals.rational import Rational
from rational_approx.rounding.lattice import Lattice
from rational_approx.rounding.sampling import Sampled, sampled
from rational_approx.rounding.slopes import Slopes

__all__ = ["Formats", "near", "quantize"]

Formats = str | Sequence[str] | Mapping[str, str | Sequence[str]]
"""A format for all coefficients, or formats by coefficient, or by side, or by coefficient of a side."""

_GOOD = 1.001
"""The search ends at an error of this many times the best one."""

_NEAR = 1.02
"""With an error above this many times the best one, zero coefficients are let go too."""

_ALIKE = 1.01
"""Errors of two bases that differ by no more than this factor are alike."""

_NEARLY = 1.1
"""Of totals of error and rounding error within this factor of the least, the one of the fewest operations is taken."""

_MARGIN = 0.01
"""How far inside its bounds a rational is kept at the sample points, in units of the error: between them it moves."""

_SCALES = 8
_FEW = 3
_SPREADS = (0.3, 1.0, 3.0)
_COUNT = 1000
_STEPS = 60


def quantize(fit: Any, format: Formats, basis: str | None = None) -> Rational:
    """A rational with every coefficient in a format, and an error close to that of the fit; never with a pole, within
    the bounds of a fit with ``bounds=``, and monotone where the fit is. Required values hold as far as the format can:
    ``r(0) = 0`` stays exact in powers of x, ``r(a) = f(a)`` holds to the error of the format.

    Parameters
    ----------
    fit:
        What :func:`rational_approx.fit` returned.
    format:
        ``"float32"``, ``"bfloat16"``, ``"float16"`` or ``"float64"``; or one for each side, ``{"P": "float32", "Q":
        "bfloat16"}``, or for each coefficient of a side, lowest first, ``{"P": ["float64", "float32"], "Q": ...}``, or
        for each of both sides, where they have the same degree.
    basis:
        ``"chebyshev"`` or ``"monomial"``; without it the one with the smaller error, and where both are near-best the
        one with the smaller :func:`~programs.rounding_errors.evaluation_error`. Near a kink at 0 the denominator
        falls by orders of magnitude, and with few bits only powers of x can follow it.

    Raises
    ------
    ValueError
        for an unknown format or basis, for a fixed coefficient that is not in its format, or where no rational without
        a pole (and within the bounds) was found in that format.

    >>> from rational_approx import fit
    >>> short = quantize(fit("relu", (3, 2)), "bfloat16")
    >>> short.format, max(float(abs(short(x) - max(x, 0))) for x in (-0.5, -0.1, 0.0, 0.1, 0.5, 1.0)) < 0.0225
    ('bfloat16', True)
    """
    if basis not in (None, "chebyshev", "monomial"):
        raise ValueError(f"basis must be 'chebyshev' or 'monomial', not {basis!r}")
    if fit.form is not None and basis == "chebyshev":
        raise ValueError("coefficients in powers of x are fixed in this fit: leave basis= out")
    asked = _asked(format, fit)
    answer = _found(fit, fit.bounds, asked, basis)
    if answer is not None:
        return answer
    inside = "" if fit.bounds == (-inf, inf) else f", within the bounds {tuple(map(float, fit.bounds))}"
    inside += f", {fit.monotone}" if fit.monotone else ""
    raise ValueError(
        f"no rational of type {fit.rational.type} with {asked.name} coefficients and without a pole{inside} was found "
        "near this fit: try a format with more bits, a lower type, or the other basis"
        + (", or bounds a little inside of those needed" if fit.bounds != (-inf, inf) else "")
    )


def near(
    points: Sampled, formats: tuple[str, ...], enough: float, fixed: dict[int, Fraction] | None = None
) -> Rational | None:
    """A rational with every coefficient in its format, those of P first, whose error at sampled points is ``enough``
    times that of the given one at most; None where none without a pole is found at a few scales. A polynomial stays
    one, and ``fixed`` coefficients, by their index and with ``Q(0) = 1`` among them, stay as they are."""
    p, q = points.rational.type
    asked = _Asked(formats, _holding(formats), fixed or ({p + 1: Fraction(1)} if q == 0 else {}))
    rng = np.random.default_rng(0)
    for step in range(1 if asked.fixed else _FEW):
        problem = _Problem.at(points, Fraction(2 ** (step / _FEW)), asked, False, (-inf, inf))
        for stiffness in (3.0, 100.0):
            candidate = problem.solved(stiffness, rng)
            if candidate is not None and candidate.error <= enough:
                answer = candidate.rational(asked)
                if answer is not None:
                    return answer
    return None


class _Asked(NamedTuple):
    """The format of every coefficient, those of P first; one that holds them all; what is fixed, by its index; the sign
    that the slope keeps."""

    formats: tuple[str, ...]
    name: str
    fixed: dict[int, Fraction]
    direction: int = 0


def _asked(format: Formats, fit: Any) -> _Asked:
    sides = format if isinstance(format, Mapping) else {"P": format, "Q": format}
    if set(sides) != {"P", "Q"}:
        raise ValueError(f"formats by coefficient have the keys 'P' and 'Q', not {', '.join(map(repr, sides))}")
    formats: list[str] = []
    for side, degree in zip("PQ", fit.rational.type, strict=True):
        named = sides[side]
        given = [named] * (degree + 1) if isinstance(named, str) else list(named)
        for name in given:
            if name not in FORMATS:
                raise ValueError(f"format must be one of {', '.join(FORMATS)}, not {name!r}")
        if len(given) != degree + 1:
            raise ValueError(f"{side} has {degree + 1} coefficients, and {len(given)} formats are given for them")
        formats += given
    sides_fixed = () if fit.form is None else (*fit.form.p, *fit.form.q)
    fixed = {j: c for j, c in enumerate(sides_fixed) if c is not None}
    if fit.rational.type[1] == 0:  # a polynomial stays one, and code does not divide by 1
        fixed[len(formats) - 1] = Fraction(1)
    for j, c in fixed.items():
        if not in_format(c, formats[j]):
            raise ValueError(
                f"the fixed coefficient {c} is no number of the format {formats[j]}: fix it at one, or give it a "
                "format with more bits"
            )
    direction = {"increasing": 1, "decreasing": -1}.get(fit.monotone, 0)
    return _Asked(tuple(formats), _holding(formats), fixed, direction)


def _holding(formats: Sequence[str]) -> str:
    """A format that holds every coefficient."""
    several = set(formats)
    return several.pop() if len(several) == 1 else "float64" if "float64" in several else "float32"


def _found(fit: Any, bounds: tuple[End, End], asked: _Asked, basis: str | None) -> Rational | None:
    own = fit.rational.basis
    names = [basis] if basis else [own, "monomial"] if own == "chebyshev" else [own]
    found: list[_Candidate] = []
    bases = [sampled(fit, name) for name in names]
    # Coefficients that are zero for symmetry stay zero, unless nothing good is found so.
    for freed in (False, True):
        found += _searched(bases, asked, freed, bounds)
        if found and min(candidate.error for candidate in found) <= _NEAR:
            break
    through_zero = fit.rational.polynomials[0](0) == 0 and (
        any(a == 0 for a, _ in fit.interpolate) or 0 in fit.target.relative_zeros
    )
    return _chosen(found, asked, bounds, through_zero)


def _chosen(found: list["_Candidate"], asked: _Asked, bounds: tuple[End, End], through_zero: bool) -> Rational | None:
    # The best of each basis; where both are near-best, the one of the fewest operations whose error and proved rounding
    # error together are near the least.
    best: dict[str, tuple[float, Rational]] = {}
    scales = {candidate.problem.points.rational.basis: candidate.problem.points.best for candidate in found}
    for candidate in sorted(found, key=lambda candidate: candidate.error):
        name = candidate.problem.points.rational.basis
        answer = None if name in best else candidate.rational(asked)
        if answer is None or (through_zero and answer.polynomials[0](0) != 0):
            continue
        if asked.direction and turns(*answer.polynomials, answer.domain, asked.direction):
            continue
        if bounds == (-inf, inf) or in_range(*answer.polynomials, answer.domain, bounds):
            best[name] = candidate.error, answer
    if not best:
        return None
    least = min(error for error, _ in best.values())
    near = [(error, answer) for error, answer in best.values() if error <= _ALIKE * least]
    if len(near) == 1:
        return near[0][1]
    totals = [
        (error * scales[answer.basis] + bound, operations, answer)
        for error, answer in near
        for bound, operations in [_evaluation(answer, asked.name)]
    ]
    allowed = _NEARLY * min(total for total, _, _ in totals)
    return min((entry for entry in totals if entry[0] <= allowed), key=lambda entry: entry[1])[2]


def _evaluation(rational: Rational, format: str) -> tuple[float, int]:
    try:
        error = evaluation_error(rational, dtype="float64" if format == "float64" else "float32")
    except ArithmeticError:
        return float("inf"), 0
    return float(error.bound), error.operations


@dataclass(frozen=True)
class _Candidate:
    """Integer multiples of units, and the largest error relative to the best one."""

    error: float
    problem: "_Problem"
    multiples: np.ndarray

    def rational(self, asked: _Asked) -> Rational | None:
        """The rational, or None where a coefficient is not in the format or the denominator may vanish."""
        exact = self.problem.points.rational
        values = [Fraction(0)] * len(exact.numerator + exact.denominator)
        for j, unit, k in zip(self.problem.active, self.problem.units, self.multiples):
            values[j] = int(k) * unit
        for j, value in asked.fixed.items():
            values[j] = value
        cut = len(exact.numerator)
        held = all(in_format(value, name) for value, name in zip(values, asked.formats, strict=True))
        if not held or not any(values[cut:]):
            return None
        answer = Rational(tuple(values[:cut]), tuple(values[cut:]), exact.domain, exact.basis, asked.name)
        return answer if denominator_sign(answer.polynomials[1], exact.domain)[1] else None


def _searched(bases: list[Sampled], asked: _Asked, freed: bool, bounds: tuple[End, End]) -> list[_Candidate]:
    # The first scale in every basis, then the other scales in the basis that did best, until an error is good.
    rng = np.random.default_rng(0)
    found: list[_Candidate] = []
    for points in bases:
        first = 1 / points.rational.denominator[0] if asked.fixed else Fraction(1)
        found += _stiffened(_Problem.at(points, first, asked, freed, bounds), rng)
    best = min(found, key=lambda candidate: candidate.error).problem.points if found else None
    for step in range(1, _SCALES):
        if best is None or asked.fixed or min(candidate.error for candidate in found) <= _GOOD:
            break
        found += _stiffened(_Problem.at(best, Fraction(2 ** (step / _SCALES)), asked, freed, bounds), rng)
    return found


def _stiffened(problem: "_Problem", rng: np.random.Generator) -> list["_Candidate"]:
    # Where the format is so coarse that the best changes leave Q far from where it was, or with a zero, changes of Q
    # must weigh more.
    out = []
    for stiffness in (3.0, 30.0, 300.0, 3000.0, 1e5, 3e6, 1e8, 3e9):
        candidate = problem.solved(stiffness, rng)
        if candidate is not None:
            out.append(candidate)
            best = problem.points.best
            watch.report("rounding", problem.points.rational.type, best, best * candidate.error)
            if candidate.error <= stiffness / 2:
                break
    return out


@dataclass(frozen=True)
class _Problem:
    """The lattice at one scale; matrices ``[points, coefficients]`` are in units of the coefficients' last places."""

    points: Sampled
    bits: np.ndarray
    units: tuple[Fraction, ...]
    active: tuple[int, ...]
    nearest: np.ndarray
    shift: np.ndarray
    error_change: np.ndarray
    bottom_change: np.ndarray
    within: tuple[np.ndarray, np.ndarray]  # between which errors keep the rational in its bounds
    slopes: Slopes | None

    @classmethod
    def at(cls, points: Sampled, scale: Fraction, asked: _Asked, freed: bool, bounds: tuple[End, End]) -> "_Problem":
        exact = points.rational
        if not asked.fixed:
            scale *= _room(exact, asked)
        values = [v * scale for v in exact.numerator + exact.denominator]
        bottom = points.bottom[:, None] * float(scale)
        p, q = points.tables
        changes = np.concatenate([-points.weight[:, None] * p, (points.weight * points.value)[:, None] * q], 1)
        changes = changes / bottom / points.best
        reach = np.abs(changes).max(0)
        units: list[Fraction] = []
        active: list[int] = []
        for j, (value, format) in enumerate(zip(values, asked.formats, strict=True)):
            if j in asked.fixed:
                continue
            if abs(float(value)) * reach[j] >= 1e-6:
                # Steps far below the error are of no use, and long ones keep the multiples small.
                units.append(max(last_place(value, format), _power(1e-4 / reach[j])))
            elif freed:
                units.append(max(_power(0.05 / reach[j]), Fraction(2) ** FORMATS[format][1]))
            else:
                continue
            active.append(j)
        size = np.array([float(unit) for unit in units])
        nearest = [round(values[j] / unit) for j, unit in zip(active, units)]
        shift = np.array([float(values[j] / unit - k) for j, unit, k in zip(active, units, nearest)])
        change = np.concatenate([np.zeros_like(p), q], 1) / bottom
        return cls(
            points,
            np.array([FORMATS[asked.formats[j]][0] for j in active]),
            tuple(units),
            tuple(active),
            np.array(nearest, dtype=float),
            shift,
            changes[:, active] * size,
            change[:, active] * size,
            points.within(bounds, _MARGIN),
            Slopes.of(exact, float(scale), asked.direction) if asked.direction else None,
        )

    def errors(self, steps: np.ndarray) -> np.ndarray:
        """Largest error relative to the best one, for integer steps ``[count, n]`` from the nearest multiples."""
        change = steps - self.shift
        bottom = 1 + change @ self.bottom_change.T
        with np.errstate(divide="ignore", invalid="ignore"):
            signed = self.points.error / self.points.best + (change @ self.error_change.T) / bottom
        error = np.abs(signed).max(1)
        low, high = self.within
        error[(bottom <= 0.05).any(1) | (np.abs(self.nearest + steps) > 2.0**self.bits).any(1)] = np.inf
        error[(signed < low).any(1) | (signed > high).any(1)] = np.inf
        if self.slopes is not None:
            sizes = np.array([float(unit) for unit in self.units])
            error[~self.slopes.kept(change * sizes, self.active)] = np.inf
        return error

    def solved(self, stiffness: float, rng: np.random.Generator) -> _Candidate | None:
        lattice = Lattice.reduced(np.concatenate([self.error_change, stiffness * self.bottom_change]))
        n = len(lattice.moves)
        first, second = np.triu_indices(n, 1)
        moves = np.concatenate(
            [lattice.moves, lattice.moves[first] + lattice.moves[second], lattice.moves[first] - lattice.moves[second]]
        )
        moves = np.concatenate([moves, -moves])
        best, least = np.zeros(n), float(self.errors(np.zeros((1, n)))[0])
        for spread in _SPREADS:
            steps = lattice.near(self.shift, _COUNT, spread, rng)
            error = self.errors(steps)
            for start in np.argsort(error)[:2]:
                if np.isfinite(error[start]):
                    place, value = self._descended(steps[start], float(error[start]), moves)
                    if value < least:
                        best, least = place, value
            if least <= _GOOD:
                break
        if not np.isfinite(least):
            return None
        return _Candidate(least, self, self.nearest + best)

    def _descended(self, place: np.ndarray, value: float, moves: np.ndarray) -> tuple[np.ndarray, float]:
        for _ in range(_STEPS):
            error = self.errors(place + moves)
            k = int(error.argmin())
            if not error[k] < value * (1 - 1e-6):
                break
            place, value = place + moves[k], float(error[k])
        return place, value


def _room(rational: Rational, asked: _Asked) -> Fraction:
    """The power of two by which P and Q are scaled so that small coefficients are not near the end of the range.

    There a rounding error is that of a subnormal number, and flushing loses the whole of it.
    """
    coefficients = [abs(c) for c in rational.numerator + rational.denominator if c]
    least, most = min(coefficients), max(coefficients)
    if "float16" in asked.formats:  # its range is small: large coefficients leave room for small ones
        return _power(2.0**14 / float(most)) if least < Fraction(1, 2**14) else Fraction(1)
    reach = Fraction(2) ** (min(FORMATS[name][2] for name in asked.formats) // 2)
    if least * reach >= 1:
        return Fraction(1)
    # Both ends are equally far from 1, where the largest number that occurs in a sum counts.
    powers = max(rational.type) if rational.basis == "monomial" else 0
    ends = [abs(end) for end in (rational.domain.lower, rational.domain.upper) if isinstance(end, Fraction)]
    widest = max([Fraction(1), *ends])
    spread = (_log2(least) + _log2(most) + powers * _log2(widest)) // 2
    return Fraction(2) ** max(0, -spread)


def _log2(value: Fraction) -> int:
    """The binary logarithm of a positive number, off by less than one."""
    return value.numerator.bit_length() - value.denominator.bit_length()


def _power(value: float) -> Fraction:
    return Fraction(2) ** int(np.floor(np.log2(value)))
