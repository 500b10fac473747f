"""A statement in one line, to be reproduced by hand."""

from typing import Any

from tests.adversaries.third_opinion.refuter import Statement

__all__ = ["shown"]


def shown(stated: Statement, found: Any = None) -> str:
    weight = "" if stated.weight == "1" else f" weight {stated.weight}"
    breaks = f" breaks {[str(b) for b in stated.breakpoints]}" if stated.breakpoints else ""
    sides = "/".join(str([str(c)[:40] for c in side]) for side in (stated.numerator, stated.denominator))
    target = (
        f"samples {[[str(v) for v in s] for s in stated.samples]}" if stated.samples is not None else stated.expression
    )
    domain = ",".join(f"[{a},{b}]" for a, b in stated.domain)
    bounds = (
        f"upper {_short(stated.upper)} lower {_short(stated.lower)} best {_short(stated.best_lower)} type {stated.type}"
    )
    text = f"{target}{weight} on {domain}{breaks}; {stated.basis} {sides}; {bounds} claims {_claims(stated.claims)}"
    return f"{text}; {found or ''}"[:900]


def _claims(stated: Any) -> str:
    return str([tuple(a if isinstance(a, str) else _short(a) for a in claim) for claim in stated])


def _short(x: Any) -> str:
    if x is None:
        return "none"
    try:
        return f"{float(x):.13g}"
    except OverflowError:
        return "huge"
