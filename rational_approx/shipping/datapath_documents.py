"""The JSON document of a fixed-point implementation: its table of integers, and what is proved of it."""

from fractions import Fraction
from typing import Any

from rational_approx.kernels.code_facts import CodeFacts
from rational_approx.kernels.datapath import Datapath, Row
from rational_approx.kernels.fixed_point import fixed_point
from rational_approx.kernels.implement import FixedImplementation
from rational_approx.shipping.texts import line, number_text, read_number

__all__ = ["datapath_text", "read_datapath"]

MOST_ROWS, MOST_DEGREE = 80, 16
COUNTS = ("inputs", "correct", "faithful", "turns")
NUMBERS = ("ulp", "worst", "lowest", "highest")


def datapath_text(value: FixedImplementation) -> dict[str, Any]:
    """The content of the document, without schema and hash."""
    path, found = value.kernel, value.facts
    return {
        "target": {"name": value.name, "expression": value.expression},
        "format": path.format,
        "shift": path.shift,
        "guard": path.guard,
        "rows": [
            {
                "upper": row.upper,
                "coefficients": list(row.coefficients),
                "origin": row.origin,
                "left": row.left,
                "adds": row.adds,
                "about": row.about,
            }
            for row in path.rows
        ],
        "facts": {
            **{name: getattr(found, name) for name in COUNTS},
            **{name: number_text(getattr(found, name)) for name in NUMBERS},
            "widths": dict(found.widths),
        },
        "wanted": number_text(value.wanted),
        "segments": value.segments,
        "status": "proved",
    }


def read_datapath(content: dict[str, Any]) -> FixedImplementation:
    """The implementation of a document; ValueError where it makes no sense."""
    point = fixed_point(content["format"])
    if point is None:
        raise ValueError(f"the code is for {str(content['format'])[:40]!r}, which is no fixed-point format")
    if not 1 <= len(content["rows"]) <= MOST_ROWS:
        raise ValueError(f"the code has no row, or more than {MOST_ROWS}")
    rows = tuple(_read_row(entry) for entry in content["rows"])
    uppers = [row.upper for row in rows]
    if uppers != sorted(set(uppers)) or uppers[-1] != point.highest:
        raise ValueError("the rows are not in order, or end before the largest code")
    if not all(point.lowest <= row.origin <= point.highest for row in rows if row.origin is not None):
        raise ValueError("the origin of a row is no code of the format")
    path = Datapath(point, rows, _shift(content["shift"]), _shift(content["guard"]))
    facts = content["facts"]
    numbers: dict[str, Fraction] = {name: read_number(facts[name]) for name in NUMBERS}
    counts = {name: _integer(facts[name]) for name in COUNTS}
    widths = {str(name): _integer(bits) for name, bits in facts["widths"].items()}
    return FixedImplementation(
        line(content["target"]["expression"]),
        line(content["target"]["name"]),
        path,
        CodeFacts(**counts, **numbers, widths=widths),  # type: ignore[arg-type]
        read_number(content["wanted"]),
        _integer(content["segments"]),
    )


def _read_row(entry: dict[str, Any]) -> Row:
    coefficients = tuple(map(_integer, entry["coefficients"]))
    if not 1 <= len(coefficients) <= MOST_DEGREE + 1:
        raise ValueError(f"a row has no coefficient, or more than {MOST_DEGREE + 1}")
    if any(c.bit_length() > 62 for c in coefficients):
        raise ValueError("a coefficient has more than 62 bits")
    origin = None if entry["origin"] is None else _integer(entry["origin"])
    adds = _integer(entry["adds"])
    if adds not in (-1, 0, 1):
        raise ValueError(f"a row adds {adds} times its input, not 1, -1 or 0 times")
    return Row(_integer(entry["upper"]), coefficients, origin, _shift(entry["left"]), adds, line(entry["about"]))


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{str(value)[:40]!r} is no integer")
    return value


def _shift(value: Any) -> int:
    if not 0 <= _integer(value) <= 62:
        raise ValueError(f"a shift by {value} bits makes no sense")
    return int(value)
