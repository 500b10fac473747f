"""`Question`: what an upgrade was asked, as a report keeps it; the one place that reads and writes these names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from rsae.evaluation.comparison import Comparison
from rsae.training.recipe import Recipe

__all__ = ["Question"]

_LATER = ("seconds", "threads")  # the first of them only a study knows, and older reports lack the other


@dataclass(frozen=True)
class Question:
    """Everything needed to run an upgrade again, and the paired comparisons that answered it.

    The defaults are what a report says that lacks an entry. ``recipes`` have the steps that each arm was trained for;
    ``tuning`` is the tree of a `Tuning`; ``returned`` is the column of the SAE that was returned, ``"upgraded"`` or
    ``"initialised"``; ``threads`` are those of torch; ``seconds`` are of a cell that a study ran in one piece.
    """

    sae: str = ""
    family: str = ""
    d_in: int = 0
    d_sae: int = 0
    k: int | None = None
    weights_sha256: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    hidden_states: Mapping[str, Any] = field(default_factory=dict)
    statistics: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 0
    seed: int = 0
    seeds: int = 1
    support: str = "exact"
    inputs: tuple[str, ...] = ()
    denominator: str = "trainable"
    refine: str = "none"
    target_l0: float = math.nan
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    device: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    comparisons: tuple[Comparison, ...] = ()
    tuning: Mapping[str, Any] | None = None
    returned: str = ""
    seconds: float | None = None
    threads: int | None = None

    @property
    def rate_factor(self) -> float | None:
        """What tuning multiplied every arm's learning rate by; None where nothing was tuned."""
        return None if self.tuning is None else float(self.tuning["factor"])

    def to_json(self) -> dict[str, Any]:
        """The entries of a report, as plain values."""
        tree = {name: value for name, value in vars(self).items() if name not in _LATER or value is not None}
        return tree | {
            "inputs": list(self.inputs),
            "recipes": {name: dict(vars(recipe)) for name, recipe in self.recipes.items()},
            "comparisons": [found.to_json() for found in self.comparisons],
        }

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Question:
        """Read what `to_json` wrote; entries may be absent, and others are left out."""
        known = {entry.name: tree[entry.name] for entry in fields(cls) if entry.name in tree}
        return cls(
            **known
            | {
                "inputs": tuple(known.get("inputs", ())),
                "recipes": {name: _recipe(entry) for name, entry in known.get("recipes", {}).items()},
                "comparisons": tuple(_comparison(entry) for entry in known.get("comparisons", ())),
            }
        )


def _recipe(entry: Mapping[str, Any]) -> Recipe:
    return Recipe(**{part.name: entry[part.name] for part in fields(Recipe) if part.name in entry})


def _comparison(entry: Mapping[str, Any]) -> Comparison:
    """JSON has None for what is not a number."""
    values: dict[str, Any] = {part.name: entry[part.name] for part in fields(Comparison)}
    return Comparison(**values | {name: math.nan for name, value in values.items() if value is None})
