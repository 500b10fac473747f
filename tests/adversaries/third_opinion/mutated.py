"""Changes of certificate files in every field: another key, number, sign, order, type, text; hashed again."""

import copy
import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from tests.adversaries.third_opinion.files import Malformed, NoOpinion, hashed, number, number_text

__all__ = ["mutated"]

GARBAGE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 0.5, 1e308, "", " ", "x", "nan", "inf", "-inf", "1/0", "0/1", "-0", "1_0", "0x10"),
    *("٣", "１", "+1", " 1", "1 ", "1.0", "1e3", "0x1p-99999", "9" * 5000, "\x1b[2J", "\u202e1", "1\x00", "proved"),
    *([], {}, [[]], [None], {"a": {}}, ["0", "1"], [0, "0", 1]),
)
SPELLINGS: tuple[Callable[[str], str], ...] = (
    lambda s: f"({s})+1_0-10",
    lambda s: f"({s})+0x10-16",
    lambda s: f"({s})+0b1-1",
    lambda s: f"({s})+1e-3",
    lambda s: f"({s})*1.000001",
    lambda s: f"({s})+1j*0",
    lambda s: f"({s})+True-1",
    lambda s: f"({s}) # ok",
    lambda s: f"({s})\n+1",
    lambda s: f"{s};x",
    lambda s: f"({s})+٣",
    lambda s: f"({s})//1",
    lambda s: f"({s})%7",
    lambda s: f"-({s})",
    lambda s: f"({s})+0*sqrt(-1-x^2)",
    lambda s: f"({s})+0*log(x-x)",
    lambda s: f"({s})+0/(x-x)",
    lambda s: f"where(1 > 1, {s}, 3)",
    lambda s: f"where(x == x, {s}, 3)",
    lambda s: f"where(x > 0 > 1, {s}, 3)",
    lambda s: f"min({s})",
    lambda s: f"({s})+heaviside(0)",
    lambda s: f"({s})+sign(max(x,0))",
    lambda s: f"abs({s})",
    lambda s: f"max({s},x)",
    lambda s: s.replace("x", "y"),
    lambda s: s.replace("1", "1.1"),
    lambda s: s + " ",
    lambda s: f"({s},)",
    lambda s: f"({s})+0*gamma(-3)",
    lambda s: f"({s})^1",
    lambda s: f"2*({s})",
    lambda s: f"({s})+0*(0^(-1))",
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every part of a document."""
    if path:
        yield path
    if isinstance(value, dict):
        for key in value:
            yield from _places(value[key], (*path, key))
    elif isinstance(value, list):
        for k in range(min(len(value), 12)):
            yield from _places(value[k], (*path, k))


def _at(content: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        content = content[step]
    return content


def mutated(draw: random.Random, original: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A copy with one change (sometimes two), and which field was changed."""
    content = copy.deepcopy(original)
    content.pop("hash", None)
    names = []
    try:
        for _ in range(draw.choice((1, 1, 1, 2))):
            names.append(_changed(draw, content))
        return " and ".join(dict.fromkeys(names)), hashed(content)
    except (TypeError, ValueError, UnicodeEncodeError, RecursionError):
        return "not JSON", hashed({key: value for key, value in original.items() if key != "hash"})


def _changed(draw: random.Random, content: dict[str, Any]) -> str:
    every = [path for path in _places(content) if path[0] not in ("schema",)]
    top = draw.choice(sorted({path[0] for path in every}))
    path = draw.choice([path for path in every if path[0] == top])
    holder, key, value = _at(content, path[:-1]), path[-1], _at(content, path)
    where = top if len(path) == 1 or not isinstance(path[1], str) else f"{top}.{path[1]}"
    where = f"changed {where}"
    style = draw.random()
    if style < 0.12:
        holder[key] = copy.deepcopy(draw.choice(GARBAGE))
        return f"{where}: garbage"
    if style < 0.18 and isinstance(holder, dict):
        del holder[key]
        return f"{where}: dropped"
    if style < 0.22 and isinstance(holder, dict):
        holder[draw.choice(("note", "lower_bound", "Upper", "upper ", "samples", "competitors", "safe", ""))] = (
            draw.choice(GARBAGE)
        )
        return f"{where}: a key more"
    if isinstance(value, list) and value:
        change = draw.choice(("drop", "twice", "order", "first", "move"))
        k = draw.randrange(len(value))
        if change == "drop":
            del value[k]
        elif change == "twice":
            value.insert(k, copy.deepcopy(value[k]))
        elif change == "order":
            draw.shuffle(value)
        elif change == "first":
            del value[1:]
        else:
            value.append(value.pop(k))
        return f"{where}: {change}"
    if path[-1] in ("expression", "weight") and isinstance(value, str):
        holder[key] = draw.choice(SPELLINGS)(value)
        return f"{where}: another text"
    if isinstance(value, bool) or value is None:
        holder[key] = draw.choice(("yes", 1, not value, [0, "0"]))
        return f"{where}: another kind"
    if isinstance(value, int):
        holder[key] = draw.choice((value + 1, value - 1, -value, value + 1000, float(value), str(value)))
        return f"{where}: a number"
    if isinstance(value, str):
        holder[key] = _text(draw, value)
    return f"{where}: a number"


def _text(draw: random.Random, value: str) -> Any:
    try:
        x = number(value, True)
    except (Malformed, NoOpinion):
        return draw.choice(
            (
                value + "x",
                value.upper(),
                "",
                "one sign",
                "any sign",
                "float32",
                "monomial",
                "chebyshev",
                "range",
                "error",
            )
        )
    if not isinstance(x, Fraction):
        return draw.choice(("0", "1000", "-inf", "inf", "nan"))
    share = Fraction(draw.choice((1, -1)), 10 ** draw.choice((0, 1, 3, 6, 10, 15)))
    return draw.choice(
        (
            *(number_text(x * (1 + share)), number_text(x * (1 + share)), number_text(x + share), number_text(-x), "0"),
            *(
                number_text(1 / x) if x else "1",
                "inf",
                value + "/1",
                value.replace("1", "١"),
                float(x) if abs(x) < 10**9 else 1,
            ),
            *(f"{value}_0", f" {value}", number_text(x * 10**30), f"{x.numerator}/{x.denominator}", "0/1"),
        )
    )
