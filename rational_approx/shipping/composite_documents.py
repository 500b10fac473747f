"""The JSON document of a composition of polynomials: exact coefficients, and what is proved of every stage."""

from typing import Any

from rational_approx.composition.bounds import Stage
from rational_approx.composition.composite import Composite
from rational_approx.shipping.texts import number_text, read_number, read_numbers

__all__ = ["composite_text", "read_composite"]

MOST_STAGES, MOST_COEFFICIENTS = 60, 64


def composite_text(value: Composite) -> dict[str, Any]:
    """The content of the document, without schema and hash."""
    return {
        "function": value.function,
        "gap": number_text(value.gap),
        "noise": number_text(value.noise),
        "unit": number_text(value.unit),
        "stages": [
            {
                "coefficients": [number_text(c) for c in stage.coefficients],
                "lower": number_text(stage.lower),
                "low": number_text(stage.low),
                "high": number_text(stage.high),
                "cuts": [number_text(x) for x in stage.cuts],
            }
            for stage in value.stages
        ],
        "error": number_text(value.error),
        "status": "proved",
    }


def read_composite(content: dict[str, Any]) -> Composite:
    """The composition of a document; ValueError where it makes no sense."""
    if content["function"] not in ("sign", "relu"):
        raise ValueError(f"a composition is near sign or relu, not {str(content['function'])[:40]!r}")
    entries = content["stages"]
    if not isinstance(entries, list) or not 1 <= len(entries) <= MOST_STAGES:
        raise ValueError(f"a composition has from 1 to {MOST_STAGES} stages")
    return Composite(
        content["function"],
        read_number(content["gap"]),
        read_number(content["noise"]),
        read_number(content["unit"]),
        tuple(map(_read_stage, entries)),
        read_number(content["error"]),
    )


def _read_stage(entry: dict[str, Any]) -> Stage:
    coefficients = read_numbers(entry["coefficients"], MOST_COEFFICIENTS)
    if not coefficients:
        raise ValueError("a stage has no coefficient")
    lower, low, high = (read_number(entry[name]) for name in ("lower", "low", "high"))
    return Stage(coefficients, lower, low, high, read_numbers(entry["cuts"], MOST_COEFFICIENTS))
