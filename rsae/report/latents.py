"""What a report's page says of latents: whether they kept their meaning, and of each what it is about."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rsae.report.wording import number, percent

__all__ = ["LISTED", "of_latents"]

FIRST = 20  # latents that changed most, named before all others
GROUP = 100
LISTED = 4000  # on a page that a phone has to open; all values are in report.json
_LEVELS = 5
_MOSTLY = 0.95  # of the latents that fire: then the teacher's labels are said to carry over


def of_latents(continuity: Mapping[str, Any], latents: Mapping[str, Any]) -> dict[str, Any]:
    """Counts, quantiles, the claim on labels, and the latents in the order of their number; empty without data.

    ``latents`` may be empty, and contexts may be those of older reports: three texts in the place of shaded pieces.
    """
    if not continuity:
        return {}
    values, contexts = continuity["latents"], continuity["contexts"]
    count = len(values["cosine"])
    others = [i for i in continuity["order"] if str(i) not in contexts]
    listed = sorted([*map(int, contexts), *others[: max(0, LISTED - len(contexts))]])
    cofiring, maximum = latents.get("cofiring"), latents.get("maximum")
    rows = {
        i: {
            "latent": i,
            **{name: each[i] for name, each in values.items()},
            "cofiring": None if cofiring is None else cofiring[i],
            "maximum": None if maximum is None else maximum[i],
            "contexts": [_context(entry) for entry in contexts.get(str(i), [])],
            "bars": _bars(latents.get("counts", {}).get(str(i), [])),
            "promoted": latents.get("promoted", {}).get(str(i), []),
        }
        for i in listed
    }
    return {
        **continuity,
        "count": count,
        "listed": len(rows),
        "readable": bool(contexts or latents.get("counts")),
        "definition": latents.get("definition", "") if latents.get("promoted") else "",
        "silent_before": sum(rate == 0 for rate in values["rate_before"]),
        "silent_after": sum(rate == 0 for rate in values["rate_after"]),
        "claim": _claim(continuity, cofiring),
        "quantiles": _quantile_rows(values, cofiring),
        "first": [rows[i] for i in continuity["order"][:FIRST] if i in rows],
        "groups": [[rows[i] for i in listed[start : start + GROUP]] for start in range(0, len(listed), GROUP)],
    }


def _claim(continuity: Mapping[str, Any], cofiring: Sequence[float | None] | None) -> str:
    """Whether labels of the teacher's latents hold for the upgraded ones, with the evidence for it."""
    values, changed = continuity["latents"], set(continuity["changed"])
    pairs = zip(values["rate_before"], values["rate_after"], strict=True)
    firing = [i for i, rates in enumerate(pairs) if any(rates)]
    if not firing:
        return "No latent fires on these tokens, so nothing can be said of labels."
    kept = [i for i in firing if i not in changed]
    evidence = [f"median cosine of decoder rows {number(_median([values['cosine'][i] for i in firing]))}"]
    if cofiring is not None:
        both = percent(_median([cofiring[i] for i in firing]), 0)
        evidence.append(f"where one of the pair fires, both do on {both} of the tokens (median)")
    facts = f"{len(kept)} of the {len(firing)} latents that fire on these tokens: {'; '.join(evidence)}"
    if len(kept) >= _MOSTLY * len(firing):
        return f"Same features, labels carry over, for {facts}."
    return f"Look again before you use the teacher's labels: they carry over only for {facts}."


def _quantile_rows(
    values: Mapping[str, Sequence[float | None]], cofiring: Sequence[float | None] | None
) -> list[tuple[str, list[str]]]:
    ratio = [
        after / before
        for before, after in zip(values["rate_before"], values["rate_after"], strict=True)
        if before and after is not None
    ]
    rows = [
        ("cosine of decoder rows", [number(v) for v in _quantiles(values["cosine"])]),
        ("overlap of strongest tokens", [percent(v) for v in _quantiles(values["overlap"])]),
        ("firing rate after / before", [number(v) for v in _quantiles(ratio)]),
    ]
    if cofiring is not None:
        rows.insert(2, ("both fire, where either does", [percent(v) for v in _quantiles(cofiring)]))
    return rows


def _context(entry: Sequence[Any]) -> dict[str, Any]:
    """A context as pieces of text, each with its level and whether it is the token in question."""
    *parts, before, after = entry
    pieces: list[dict[str, Any]] = []
    for part, middle in zip(parts, (False, True, False), strict=True):
        whole: Sequence[Any] = [[part, _LEVELS if middle else 0]] if isinstance(part, str) else part
        pieces += [{"text": text.replace("\n", "⏎ "), "level": level, "middle": middle} for text, level in whole]
    return {"pieces": [piece for piece in pieces if piece["text"]], "before": before, "after": after}


def _bars(counts: Sequence[int]) -> str:
    """A histogram as the path of one shape, bins of width 1 and height 0 to 10, on a root scale: rare codes show."""
    most = max(counts, default=0)
    if not most:
        return ""
    heights = [10 * math.sqrt(count / most) for count in counts]
    return "M0 10" + "".join(f"V{10 - height:.3g}h1" for height in heights) + "V10z"


def _median(values: Sequence[float | None]) -> float:
    return _quantiles(values)[2]


def _quantiles(values: Sequence[float | None]) -> list[float]:
    """Minimum, 5%, median, 95% and maximum."""
    ordered = sorted(value for value in values if value is not None)
    if not ordered:
        return [math.nan] * 5
    return [ordered[round(share * (len(ordered) - 1))] for share in (0.0, 0.05, 0.5, 0.95, 1.0)]
