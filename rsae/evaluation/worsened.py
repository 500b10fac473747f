"""Did features get worse?  The sentence that says so, from probing and continuity, before any word about an error."""

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["worsened"]

_MANY = 0.1  # of the latents: so many changed meanings are told whatever the control's were
_Z = 1.96


def worsened(probing: Mapping[str, Any], continuity: Mapping[str, Any]) -> str:
    """What probing and continuity lost, in one sentence; empty where they lost nothing that is sure.

    Probing: rows whose interval of upgraded minus teacher lies below zero, the worst in figures. Continuity: more
    latents that changed their meaning than in the control, by an interval over latents, or more than a tenth of all.
    Both are trees of plain values, as a report keeps them; either may be empty.

    >>> cells = {"teacher": {"value": 0.85}, "control": {"value": 0.86}, "upgraded": {"value": 0.79}}
    >>> gap = {"teacher": {"value": -0.06, "low": -0.088, "high": -0.032}}
    >>> said = worsened({"rows": [{"group": "pairs", "k": 1, "accuracy": cells, "difference": gap}]}, {})
    >>> said[:75]
    "The upgraded SAE's features got worse: with 1 latent (pairs) probing finds "
    >>> said[75:]
    '79.0%, with the teacher 85.0% (-6.0 points, 95% interval -8.8 to -3.2), with the control 86.0%.'
    """
    parts = [part for part in (_probed(probing.get("rows", ())), _changed(continuity)) if part]
    return f"The upgraded SAE's features got worse: {'; '.join(parts)}." if parts else ""


def _probed(rows: Any) -> str:
    """The row of probing that lost most, and how many lost, where any is surely below the teacher's."""
    lost = [row for row in rows if "teacher" in row.get("difference", {}) and row["difference"]["teacher"]["high"] < 0]
    if not lost:
        return ""
    row = min(lost, key=lambda row: row["difference"]["teacher"]["value"])
    gap, accuracy = row["difference"]["teacher"], row["accuracy"]
    points = {name: 100 * gap[name] for name in ("value", "low", "high")}
    said = f"with {row['k']} latent{'s' * (row['k'] > 1)} ({row['group']}) probing finds"
    said += f" {100 * accuracy['upgraded']['value']:.1f}%, with the teacher {100 * accuracy['teacher']['value']:.1f}%"
    said += f" ({points['value']:+.1f} points, 95% interval {points['low']:+.1f} to {points['high']:+.1f})"
    if "control" in accuracy:
        said += f", with the control {100 * accuracy['control']['value']:.1f}%"
    return said + (f" (one of {len(lost)} such losses in {len(rows)} rows)" if len(lost) > 1 else "")


def _changed(found: Mapping[str, Any]) -> str:
    """How many latents changed their meaning, where they are many, or surely more than in the control."""
    if not found:
        return ""
    ours, count = set(found["changed"]), len(found["latents"]["cosine"])
    said = f"{len(ours)} of {count} latents changed their meaning"
    if "control" not in found:
        return said if len(ours) > _MANY * count else ""
    theirs = set(found["control"]["changed"])
    more, less = len(ours - theirs), len(theirs - ours)
    # Of differences -1, 0 and 1 of latents that are paired with themselves: a sum and its standard error.
    error = _Z * math.sqrt(more + less - (more - less) ** 2 / count)
    sure = more - less > error
    if not (sure or len(ours) > _MANY * count):
        return ""
    said += f", {len(theirs)} in the control"
    return said + (f" ({more - less:+d}, 95% interval {more - less - error:+.1f} to {more - less + error:+.1f})" * sure)
