"""The theorems about the rational alone, as Coq text: no pole, and the claims that are signs of polynomials."""

from collections.abc import Callable
from fractions import Fraction
from math import inf
from typing import Any

import flint

from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.signs import sign_on
from rational_approx.coq.formulas import hypothesis, inside, number, on_interval, quotient, region, theorem
from rational_approx.proof.certificate import Certificate, Claim

__all__ = ["claim_theorems", "pole_theorems"]

Interval = tuple[End, End]


def _sign(bottom: flint.fmpq_poly, interval: Interval) -> int:
    sign = sign_on(bottom, *interval).sign
    if not sign:
        raise ValueError("the denominator is not shown to keep one strict sign, so that no statement about r is proved")
    return sign


def pole_theorems(bottom: flint.fmpq_poly, intervals: tuple[Interval, ...], prefix: str = "pole_free") -> list[str]:
    """Q keeps one strict sign on each interval."""
    lines = []
    for i, interval in enumerate(intervals, 1):
        sign, g = _sign(bottom, interval), region(*interval)
        lemma = f"positive_sound Q {g} x" if sign > 0 else f"negative_sound Q {g} x"
        lines += on_interval(
            prefix + (f"_{i}" if len(intervals) > 1 else ""),
            interval,
            "0 < value Q x" if sign > 0 else "value Q x < 0",
            f"  refine ({lemma} _ GX); compute_true.",
        )
    return lines


def _range(name: str, sign: int, interval: Interval, bounds: Interval) -> list[str]:
    proof, statements = [], []
    for bound, lemma in zip(bounds, ("at_least", "at_most"), strict=True):
        if not isinstance(bound, Fraction):
            continue
        least = lemma == "at_least"
        statements.append(f"{number(bound)} <= r x" if least else f"r x <= {number(bound)}")
        use = f"refine ({lemma}_sound ({sign}) P Q ({bound.numerator}) {bound.denominator} {region(*interval)} x _ GX)"
        # The number itself comes first or last in the chain.
        goals = f"lra|{use}; compute_true" if least else f"{use}; compute_true|lra"
        proof.append(f"apply Rle_trans with {quotient(bound)}; [{goals}].")
    proof = [f"  - {line}" for line in proof] if len(proof) > 1 else [f"  {line}" for line in proof]
    split = ["  split."] if len(proof) > 1 else []
    return on_interval(name, interval, " /\\ ".join(statements), *split, *proof)


def _saturation(name: str, bottom: flint.fmpq_poly, values: tuple[Any, ...]) -> list[str]:
    start, end, limit, tolerance = values
    sign = _sign(bottom, (start, end))
    return [
        *pole_theorems(bottom, ((start, end),), f"{name}_pole_free"),
        *_range(f"{name}_range", sign, (start, end), (limit - tolerance, limit + tolerance)),
        *theorem(
            name,
            f"forall x : R, {hypothesis(start, end)} -> Rabs (r x - {number(limit)}) <= {number(tolerance)}",
            f"  intros x X; apply {name}_range in X; apply Rabs_le; lra.",
        ),
    ]


def _pair(interval: Interval) -> str:
    # Two points of an interval in their order.
    lower, upper = interval
    parts = [f"{number(lower)} <= x"] if isinstance(lower, Fraction) else []
    parts.append("x <= y")
    parts += [f"y <= {number(upper)}"] if isinstance(upper, Fraction) else []
    return " -> ".join(parts)


def _monotone(name: str, sign: int, interval: Interval, direction: str) -> list[str]:
    up, g = direction == "increasing", region(*interval)
    lemma = f"({sign}) ({1 if up else -1}) P Q {g}"
    reach = [inside(*interval, x=x, given=x) for x in "xy"]
    return [
        *on_interval(
            f"{name}_slope",
            interval,
            f"has_slope r x (fun s => {'0 <= s' if up else 's <= 0'})",
            f"  destruct (monotone_slope {lemma} x ltac:(compute_true) GX) as (s & D & S).",
            "  exists s; split; [exact D|lra].",
        ),
        *theorem(
            name,
            f"forall x y : R, {_pair(interval)} -> {'r x <= r y' if up else 'r y <= r x'}",
            "  intros x y; intros.",
            *reach,
            f"  assert (M := monotone_sound {lemma} x y ltac:(compute_true) Gx Gy ltac:(assumption)).",
            "  unfold r; lra.",
        ),
    ]


def _lipschitz(name: str, sign: int, interval: Interval, bound: Fraction) -> list[str]:
    g = region(*interval)
    lemma = f"({sign}) P Q ({bound.numerator}) {bound.denominator} {g}"
    return [
        *on_interval(
            f"{name}_slope",
            interval,
            f"has_slope r x (fun s => Rabs s <= {number(bound)})",
            f"  destruct (steep_has_slope {lemma} x ltac:(compute_true) GX) as (s & D & S).",
            "  exists s; split; [exact D|lra].",
        ),
        *theorem(
            name,
            f"forall x y : R, {hypothesis(*interval)} -> {hypothesis(*interval, x='y')} ->\n"
            f"  Rabs (r x - r y) <= {number(bound)} * Rabs (x - y)",
            "  intros x y X Y.",
            inside(*interval),
            inside(*interval, x="y", given="Y"),
            f"  apply Rle_trans with ({quotient(bound)} * Rabs (x - y)).",
            f"  - refine (steep_sound {lemma} x y _ GX GY); compute_true.",
            "  - apply Rmult_le_compat_r; [apply Rabs_pos|lra].",
        ),
    ]


def claim_theorems(
    claim: Claim, name: str, certificate: Certificate, bottom: flint.fmpq_poly, stated: Fraction | None
) -> list[str]:
    """The theorems for one claim, none where it has no translation.

    ``stated`` is the bound of the theorem about the error, None where there is no such theorem.
    """
    values: tuple[Any, ...] = claim.arguments
    if claim.name == "saturation":
        return _saturation(name, bottom, values)
    makers: dict[str, Callable[[str, int, Interval], list[str]]] = {
        "monotone": lambda own, sign, pair: _monotone(own, sign, pair, values[0]),
        "lipschitz": lambda own, sign, pair: _lipschitz(own, sign, pair, values[0]),
    }
    if claim.name == "range" and values != (-inf, inf):
        makers["range"] = lambda own, sign, pair: _range(own, sign, pair, values)
    if claim.name == "error" and stated is not None and stated <= values[0]:
        text = f"{number(stated)} <= {number(values[0])}"
        return theorem(name, text, "  lra.")
    if claim.name not in makers:
        return []
    intervals = certificate.domain.intervals
    lines = []
    for i, pair in enumerate(intervals, 1):
        own = name + (f"_{i}" if len(intervals) > 1 else "")
        lines += makers[claim.name](own, _sign(bottom, pair), pair)
    return lines
