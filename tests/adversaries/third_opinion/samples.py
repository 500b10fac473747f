"""Random samples, and statements about them: everything is exact."""

import random
from dataclasses import replace
from fractions import Fraction
from typing import Any

from tests.adversaries.third_opinion.families import decimal
from tests.adversaries.third_opinion.odd import odd
from tests.adversaries.third_opinion.rationals import EPSILONS
from tests.adversaries.third_opinion.refuter import Statement, ratio_of

__all__ = ["sampled"]


def sampled(draw: random.Random) -> tuple[Statement, list[tuple[str, bool, Statement]]]:
    """Samples with a rational, and statements about them: everything is exact."""
    count = draw.choice((1, 2, 3, 3, 4, 5, 8))
    xs = [decimal(draw, -1, 1, 1) for _ in range(count)]
    if draw.random() < 0.3:
        xs = [*xs, xs[0]]
    if draw.random() < 0.4:
        xs.sort()
    weights = draw.choice(("one", "one", "random", "zero", "some zero", "negative"))
    rows = []
    for k, x in enumerate(xs):
        w = {"one": Fraction(1), "random": decimal(draw, 0.1, 3, 1), "zero": Fraction(0)}.get(weights, Fraction(1))
        if weights in ("some zero", "negative") and k == len(xs) - 1:
            w = Fraction(0 if weights == "some zero" else -1)
        rows.append((x, decimal(draw, -1, 1, 1), w))
    if draw.random() < 0.3:
        rows[-1] = rows[0]
    low, high = min(xs) - draw.choice((0, 0, 1)), max(xs) + draw.choice((0, Fraction(1, 3)))
    if low == high:
        high += 1
    domain = ((low, high),)
    style = draw.choice(("constant", "line", "quotient"))
    top: Any = (decimal(draw, -1, 1, 1),) if style == "constant" else (decimal(draw, -1, 1, 1), decimal(draw, -1, 1, 1))
    bottom: Any = (Fraction(1), Fraction(0), Fraction(1, 2)) if style == "quotient" else (Fraction(1),)
    base = Statement("y", "1", domain, top, bottom, (len(top) - 1, len(bottom) - 1), samples=tuple(rows), hull=domain)
    r = ratio_of(base)
    if weights == "negative":
        return base, [("negative weight", False, replace(base, upper=Fraction(10)))]
    sizes = [(w * abs(y - r(x)), k, x) for k, (x, y, w) in enumerate(rows)]
    size, _, at = max(sizes, key=lambda entry: entry[0])
    eps = draw.choice(EPSILONS)
    true = replace(
        base, upper=size * (1 + eps) if draw.random() < 0.7 else size, lower=size * (1 - eps), witness=(0, at)
    )
    signs = sorted((x, (y > r(x)) - (y < r(x)), w * abs(y - r(x))) for x, y, w in rows)
    need, runs = (
        sum(base.type)
        + 2
        - (base.type[1] if not any(top) else min(base.type[0] + 1 - len(r.top), base.type[1] + 1 - len(r.bottom))),
        [],
    )
    for x, sign, e in signs:
        if e and (not runs or runs[-1][1] != sign):
            runs.append((x, sign, e))
    if len(runs) >= need and len({x for x, _, _ in runs}) == len(runs):
        chosen = runs[:need]
        true = replace(
            true, best_lower=min(e for _, _, e in chosen), references=(((1,), tuple((0, x, s) for x, s, _ in chosen)),)
        )
    out = [("everything", True, true)]
    plain = replace(true, best_lower=Fraction(0), references=(), lower=Fraction(0), witness=None)
    if size:
        out.append(("false upper", False, replace(plain, upper=size * (1 - eps))))
        lower = size * (1 + eps)
        out.append(("false lower", False, replace(plain, upper=lower * 2, lower=lower, witness=(0, at))))
        out.append(("false best", False, odd(draw, replace(true, upper=lower, best_lower=lower))))
        points = tuple((k if draw.random() < 0.5 else 0, x, (-1) ** k) for k, (x, _, _) in enumerate(signs))
        out.append(
            (
                "reference of other points",
                False,
                replace(plain, best_lower=size, upper=size, references=(((1,), points),)),
            )
        )
        reused = tuple((k, signs[k % len(signs)][0], s) for k, s in zip(range(need), (-1, 1) * need))
        out.append(
            (
                "reference uses a sample twice",
                False,
                replace(
                    plain, best_lower=min(size, max(e for _, _, e in signs)), upper=size, references=(((1,), reused),)
                ),
            )
        )
        out.append(
            (
                "false claim",
                False,
                replace(
                    true,
                    claims=(
                        draw.choice(
                            (
                                ("error", size * (1 - eps)),
                                ("derivative", Fraction(10**6)),
                                ("monotone", "increasing"),
                                ("range", Fraction(-5), Fraction(-4)),
                            )
                        ),
                    ),
                ),
            )
        )
    return base, out
