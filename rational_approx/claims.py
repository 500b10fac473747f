"""Facts about a rational that are decided exactly: no pole, range, monotonicity, Lipschitz bound."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import flint

from rational_approx.bernstein import sign_on
from rational_approx.certificate import Claim
from rational_approx.domain import Domain
from rational_approx.polynomials import fmpq
from rational_approx.precision import fraction

__all__ = ["decide", "denominator_sign", "read_claims"]

_SHAPES = {"error": 1, "range": 2, "monotone": 1, "lipschitz": 1, "best": 1}


def read_claims(claims: Sequence[Any]) -> list[tuple[str, tuple[Any, ...]]]:
    """Check the form of stated claims: ``("error", bound)``, ``("best", factor)``, ``("range", lower, upper)``,
    ``("monotone", "increasing")`` or ``"decreasing"``, ``("lipschitz", bound)``.

    Raises
    ------
    ValueError
        for a claim of another form.
    """
    out = []
    for claim in claims:
        name, *arguments = claim if isinstance(claim, tuple | list) and claim else (None,)
        if name not in _SHAPES or len(arguments) != _SHAPES[name]:
            raise ValueError(
                f"{claim!r} is no claim: give ('error', bound), ('best', factor), ('range', lower, upper), "
                "('monotone', 'increasing' or 'decreasing') or ('lipschitz', bound)"
            )
        if name == "monotone":
            if arguments[0] not in ("increasing", "decreasing"):
                raise ValueError(f"a rational is 'increasing' or 'decreasing', not {arguments[0]!r}")
            out.append((name, tuple(arguments)))
        else:
            out.append((name, tuple(fraction(argument) for argument in arguments)))
    return out


def denominator_sign(bottom: flint.fmpq_poly, domain: Domain) -> tuple[list[int], bool | None, Fraction | None]:
    """The denominator's sign on each interval, whether it has no zero there, and a witness of a zero near by."""
    signs = [sign_on(bottom, lower, upper) for lower, upper in domain.intervals]
    witness = None
    for (lower, _), sign in zip(domain.intervals, signs):
        if witness is None and sign.sign == 0 and sign.witness is not None:
            witness = _zero_near(bottom, lower if isinstance(lower, Fraction) else sign.witness, sign.witness)
    free = True if all(sign.sign for sign in signs) else False if witness is not None else None
    return [sign.sign for sign in signs], free, witness


def _zero_near(poly: flint.fmpq_poly, start: Fraction, end: Fraction) -> Fraction:
    # Within 2**-60 of a sign change between two points; the second one where there is none.
    side = poly(fmpq(start))
    if side == 0 or side * poly(fmpq(end)) >= 0:
        return start if side == 0 else end
    for _ in range(60):
        middle = (start + end) / 2
        start, end = (middle, end) if side * poly(fmpq(middle)) > 0 else (start, middle)
    return end


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
    top: flint.fmpq_poly,
    bottom: flint.fmpq_poly,
    domain: Domain,
    signs: list[int],
    bounds: tuple[Fraction | None, Fraction | None, Fraction],
) -> Claim:
    """Prove or refute one claim about ``top / bottom``, whose denominator has the given signs.

    ``bounds`` are the proved lower and upper bound of the error and the lower bound for the best possible.
    """
    lower, upper, best = bounds
    status, witness = "undecided", None
    if name == "error":
        if upper is not None and upper <= arguments[0]:
            status = "proved"
        elif lower is not None and lower > arguments[0]:
            status = "refuted"
        return Claim(name, arguments, status, None)
    if name == "best":
        met = upper is not None and upper <= arguments[0] * best
        return Claim(name, arguments, "proved" if met else "undecided", None)
    if not all(signs):
        return Claim(name, arguments, "undecided", None)
    slope, square = top.derivative() * bottom - top * bottom.derivative(), bottom * bottom
    squares = [1] * len(signs)
    if name == "range":
        tests = [(top - fmpq(arguments[0]) * bottom, signs), (fmpq(arguments[1]) * bottom - top, signs)]
    elif name == "monotone":
        tests = [(slope if arguments[0] == "increasing" else -slope, squares)]
    else:
        bound = fmpq(arguments[0])
        tests = [(bound * square - slope, squares), (bound * square + slope, squares)]
    outcomes = [_non_negative(poly, domain, sides) for poly, sides in tests]
    for status in ("refuted", "undecided"):
        for state, witness in outcomes:
            if state == status:
                return Claim(name, arguments, status, witness)
    return Claim(name, arguments, "proved", None)
