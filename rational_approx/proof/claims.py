"""Stated facts about a rational: no pole, range, saturation, monotonicity, Lipschitz bound, error of the derivative.

All but the last are signs of polynomials, which are decided exactly. What is stated of code: `code_claims`.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, inf
from typing import Any

import flint

from rational_approx.arithmetic.domain import Domain
from rational_approx.arithmetic.polynomials import fmpq
from rational_approx.arithmetic.precision import fraction
from rational_approx.arithmetic.signs import denominator_sign, sign_on
from rational_approx.proof.certificate import Claim
from rational_approx.proof.code_claims import decide_format, decide_rounding, read_code_claim
from rational_approx.proof.slopes import SlopeError, slope_error
from rational_approx.rationals.rational import Rational
from rational_approx.targets.target import Target

__all__ = ["decide", "read_claims"]

_SHAPES = {
    "error": (1,),
    "best": (1,),
    "range": (2,),
    "saturation": (4,),
    "monotone": (1,),
    "lipschitz": (1,),
    "derivative": (0, 1),
    "format": (1,),
    "rounding": (3, 4),
}


def read_claims(claims: Sequence[Any]) -> list[tuple[str, tuple[Any, ...]]]:
    """Check the form of stated claims.

    ``("error", bound)``, ``("best", factor)``, ``("range", lower, upper)`` (None or infinite: no bound on that side),
    ``("monotone", "increasing")`` or
    ``"decreasing"``, ``("lipschitz", bound)``; ``("saturation", start, end, limit, tolerance)`` for
    ``abs(r(x) - limit) <= tolerance`` from start to end, which may lie outside the domain and be infinite;
    ``("derivative", bound)`` for ``abs(f' - r') <= bound``, or ``("derivative",)`` to have the bound filled in;
    ``("format", "bfloat16")``: every coefficient is such a number;
    ``("rounding", "float32", "horner", "no fma", bound)``: the code of that scheme in that type has a weighted
    rounding error of at most the bound, which is filled in where it is left out. On a command line, where a claim is
    split into words, ``no-fma`` says ``no fma``.

    Raises
    ------
    ValueError
        for a claim of another form.
    """
    out: list[tuple[str, tuple[Any, ...]]] = []
    for claim in claims:
        name, *arguments = claim if isinstance(claim, tuple | list) and claim else (None,)
        if name not in _SHAPES or len(arguments) not in _SHAPES[name]:
            raise ValueError(
                f"{claim!r} is no claim: give ('error', bound), ('best', factor), ('range', lower, upper), "
                "('monotone', 'increasing' or 'decreasing'), ('lipschitz', bound), "
                "('saturation', start, end, limit, tolerance), ('derivative', bound), ('format', name) or "
                "('rounding', type, scheme, 'fma' or 'no fma', bound)"
            )
        if name == "monotone":
            if arguments[0] not in ("increasing", "decreasing"):
                raise ValueError(f"a rational is 'increasing' or 'decreasing', not {arguments[0]!r}")
            out.append((name, tuple(arguments)))
        elif name == "range":
            lower, upper = (end if bound is None else bound for bound, end in zip(arguments, (-inf, inf), strict=True))
            out.append((name, Domain.of((lower, upper)).intervals[0]))
        elif name == "saturation":
            start, end = Domain.of(arguments[:2]).intervals[0]
            out.append((name, (start, end, *map(fraction, arguments[2:]))))
        elif name in ("format", "rounding"):
            out.append((name, read_code_claim(name, arguments)))
        else:
            out.append((name, tuple(fraction(argument) for argument in arguments)))
    return out


def _non_negative(poly: flint.fmpq_poly, domain: Domain, signs: list[int]) -> tuple[str, Fraction | None]:
    # Whether sign * poly >= 0 on each interval, with a point where it is not.
    state = "proved"
    for (lower, upper), side in zip(domain.intervals, signs):
        if poly == 0:
            continue
        found = sign_on(poly * side, lower, upper)
        if found.sign == 1 or found.weak == 1:
            continue
        ends = [end for end in (lower, upper, found.witness) if isinstance(end, Fraction)]
        worst = min(ends, key=lambda x: poly(fmpq(x)) * side, default=None)
        if worst is not None and poly(fmpq(worst)) * side < 0:
            return "refuted", worst
        state = "undecided"
    return state, None


def decide(
    name: str,
    arguments: tuple[Any, ...],
    rational: Rational,
    target: Target,
    signs: list[int],
    bounds: tuple[Fraction | None, Fraction | None, Fraction],
    worst: Any = None,
) -> Claim:
    """Prove or refute one claim about a rational whose denominator has the given signs on the target's domain.

    ``bounds`` are the proved lower and upper bound of the error and the lower bound for the best possible; ``worst`` is
    where the error reaches the first of them.
    """
    (lower, upper, best), (top, bottom) = bounds, rational.polynomials
    if name == "error":
        return _at_most(name, arguments, arguments[0], lower, upper, worst)
    if name == "best":
        return _at_most(name, arguments, arguments[0] * best, None, upper)
    if name == "format":
        return Claim(name, arguments, decide_format(arguments, rational))
    if not all(signs):
        return Claim(name, arguments, "undecided")
    if name == "rounding":
        weight = None if target.samples is not None else target.weight_expression
        status, filled = decide_rounding(arguments, rational, weight, target.domain)
        return Claim(name, filled, status)
    if name == "derivative":
        return _derivative(arguments, slope_error(target, top, bottom))
    domain = target.domain
    if name == "saturation":
        domain = Domain((arguments[:2],))
        signs, free, pole = denominator_sign(bottom, domain)
        if not free:
            return Claim(name, arguments, "undecided" if free is None else "refuted", pole)
        limit, tolerance = arguments[2:]
        tests = _tests("range", (limit - tolerance, limit + tolerance), top, bottom, signs)
    else:
        tests = _tests(name, arguments, top, bottom, signs)
    return Claim(name, arguments, *_all_of(tests, domain))


def _at_most(
    name: str, arguments: tuple[Any, ...], bound: Any, lower: Any, upper: Any, worst: Fraction | None = None
) -> Claim:
    # Of a number between two others, of which either may be unknown, that it is at most a bound.
    if upper is not None and upper <= bound:
        return Claim(name, arguments, "proved")
    missed = lower is not None and lower > bound
    return Claim(name, arguments, "refuted" if missed else "undecided", worst if missed else None)


def _tests(
    name: str, arguments: tuple[Any, ...], top: flint.fmpq_poly, bottom: flint.fmpq_poly, signs: list[int]
) -> list[tuple[flint.fmpq_poly, list[int]]]:
    # Polynomials that must be nowhere negative once they are multiplied by a sign on each interval.
    if name == "range":
        sides = zip((-1, 1), arguments, strict=True)
        return [((bottom * fmpq(b) - top) * side, signs) for side, b in sides if isinstance(b, Fraction)]
    slope, square = top.derivative() * bottom - top * bottom.derivative(), bottom * bottom
    squares = [1] * len(signs)
    if name == "monotone":
        return [(slope if arguments[0] == "increasing" else -slope, squares)]
    bound = fmpq(arguments[0])
    return [(bound * square - slope, squares), (bound * square + slope, squares)]


def _all_of(tests: list[tuple[flint.fmpq_poly, list[int]]], domain: Domain) -> tuple[str, Fraction | None]:
    outcomes = [_non_negative(poly, domain, sides) for poly, sides in tests] or [("proved", None)]
    return min(outcomes, key=lambda outcome: ("refuted", "undecided", "proved").index(outcome[0]))


def _derivative(arguments: tuple[Any, ...], found: SlopeError | None) -> Claim:
    if found is None:
        return Claim("derivative", arguments, "undecided")
    if not arguments:
        # A bound with few digits, and far enough above the proved one for whoever checks it in another arithmetic.
        unit = Fraction(2) ** (found.upper.numerator.bit_length() - found.upper.denominator.bit_length() - 40)
        return Claim("derivative", (ceil(found.upper / unit + 1) * unit,), "proved")
    return _at_most("derivative", arguments, arguments[0], *found)
