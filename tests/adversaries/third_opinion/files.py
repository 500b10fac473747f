"""Certificate files from statements, made without the prover, and statements from files, read strictly."""

import hashlib
import json
import re
from fractions import Fraction
from itertools import pairwise
from math import inf
from typing import Any

from tests.adversaries.third_opinion import polynomials
from tests.adversaries.third_opinion.meaning import pieces
from tests.adversaries.third_opinion.refuter import Statement, ratio_of

__all__ = ["SCHEMAS", "Malformed", "NoOpinion", "document", "hashed", "number", "number_text", "statement_of"]

SCHEMAS = {1: "rational-approx/certificate/1", 2: "rational-approx/certificate/2"}
KEYS = {"expression", "weight", "domain", "breakpoints"}
TOP = {
    "schema",
    "target",
    "rational",
    "type",
    "status",
    "reason",
    "lower",
    "upper",
    "best_lower",
    "pole_free",
    "witness",
}
TOP |= {"parts", "claims", "value", "made_with", "hash"}


class Malformed(ValueError):
    """A file is no certificate."""


class NoOpinion(ValueError):
    """The format leaves open what this means."""


def number_text(x: Any) -> str:
    """An exact number as text."""
    return ("inf" if x > 0 else "-inf") if x in (inf, -inf) else str(Fraction(x))


def hashed(content: dict[str, Any]) -> dict[str, Any]:
    """The document with its hash."""
    kept = {key: value for key, value in content.items() if key != "hash"}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return kept | {"hash": "sha256:" + hashlib.sha256(text.encode()).hexdigest()}


def covering(domain: Any, breakpoints: Any, count: int) -> tuple[tuple[int, Any, Any], ...]:
    """Parts that cover every piece, ``count`` of each bounded one."""
    out: list[tuple[int, Any, Any]] = []
    for index, (low, high) in enumerate(pieces(domain, breakpoints)):
        a = low if low > -inf else min(Fraction(-8), high - 8 if high < inf else Fraction(-8))
        b = high if high < inf else max(Fraction(8), low + 8 if low > -inf else Fraction(8))
        marks = [a + (b - a) * Fraction(k, count) for k in range(count + 1)]
        marks = ([low] if low == -inf else []) + marks + ([high] if high == inf else [])
        out += [(index, s, e) for s, e in pairwise(marks)]
    return tuple(out)


def document(stated: Statement, schema: int = 1) -> dict[str, Any]:
    """The file of a statement; the only place that knows how a schema writes it."""
    t = number_text
    pair = [[t(a), t(b)] for a, b in stated.domain]
    target: dict[str, Any] = {
        "expression": stated.expression,
        "weight": stated.weight,
        "domain": pair,
        "breakpoints": [t(b) for b in stated.breakpoints],
    }
    if schema == 2:  # in order, each once, and inside of the domain
        inside = {b for b in stated.breakpoints if any(low <= b <= high for low, high in stated.domain)}
        target["breakpoints"] = [t(b) for b in sorted(inside)]
    if stated.samples is not None:
        rows = stated.samples if schema == 1 else sorted(dict.fromkeys(stated.samples))
        table = [[t(v) for v in sample] for sample in rows]
        target = target | {"samples": table} if schema == 1 else {"samples": table, "domain": pair}
    value = stated.value
    if value is None:
        r, x = ratio_of(stated), Fraction(1, 3)
        value = (x, polynomials.at(r.top, x), polynomials.at(r.bottom, x))
    out: dict[str, Any] = {
        "schema": SCHEMAS[schema],
        "target": target,
        "rational": {
            "basis": stated.basis,
            "format": stated.format,
            "domain": [[t(a), t(b)] for a, b in stated.hull or stated.domain],
            "numerator": [t(c) for c in stated.numerator],
            "denominator": [t(c) for c in stated.denominator],
            "support": [],
        },
        "type": list(stated.type),
        "status": "proved",
        "reason": "",
        "lower": t(stated.lower or 0),
        "upper": t(stated.upper if stated.upper is not None else 0),
        "best_lower": t(stated.best_lower),
        "pole_free": True,
        "witness": None if stated.witness is None else [stated.witness[0], t(stated.witness[1])],
        "value": [t(v) for v in value],
        "made_with": {},
    }
    claims = [
        {
            "name": c[0],
            "arguments": [a if isinstance(a, str) else t(a) for a in c[1:]],
            "status": "proved",
            "witness": None,
        }
        for c in stated.claims
    ]
    parts = stated.parts or covering(stated.domain, stated.breakpoints, 4)
    if schema == 1:
        first = stated.references[0][1] if stated.references else ()
        out["about"] = {"lower": None, "upper": None, "best_lower": None}
        out["reference"] = [[piece, t(x), sign] for piece, x, sign in first]
        out["claims"] = claims
        out["parts"] = [[piece, t(a), t(b), "bound"] for piece, a, b in parts]
    else:
        out["competitors"] = stated.competitors
        out["claims"] = claims
        # What proves nothing is left out: parts of an error of zero or of samples, references of no bound.
        covered = stated.samples is None and out["upper"] != "0"
        out["parts"] = [[piece, t(a), t(b)] for piece, a, b in parts] if covered else []
        out["references"] = [
            {"signs": list(signs), "points": [[piece, t(x), sign] for piece, x, sign in points]}
            for signs, points in (stated.references if stated.best_lower else ())
        ]
    return hashed(out)


# -- reading -----------------------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"(-?)0x([0-9a-f]+)p([+-]?[0-9]{1,7})", re.ASCII)
_FRACTION = re.compile(r"-?[0-9]{1,6000}(/[0-9]{1,6000})?", re.ASCII)


def number(text: Any, infinite: bool = False) -> Any:
    """An exact number from its text."""
    if infinite and text in ("inf", "-inf"):
        return inf if text == "inf" else -inf
    if not isinstance(text, str):
        raise Malformed(f"{text!r} is no text")
    dyadic = _NUMBER.fullmatch(text)
    if dyadic:
        if abs(int(dyadic[3])) > 20_000:
            raise NoOpinion("a large exponent")
        return Fraction(int(dyadic[1] + dyadic[2], 16)) * Fraction(2) ** int(dyadic[3])
    if _FRACTION.fullmatch(text) and not re.search("/0+$", text):
        return Fraction(text)
    raise Malformed(f"{text[:40]!r} is no number")


def _need(condition: object, message: str) -> None:
    if not condition:
        raise Malformed(message)


def _whole(x: Any) -> int:
    _need(type(x) is int, "no integer")
    return int(x)


def _keys(value: Any, needed: set[str], allowed: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    _need(isinstance(value, dict), "no object")
    _need(needed <= set(value), f"a key is missing: {sorted(needed - set(value))[:3]}")
    _need(set(value) <= needed | allowed, f"an unknown key: {sorted(set(value) - needed - allowed)[:3]}")


def _domain(value: Any) -> tuple[tuple[Any, Any], ...]:
    _need(isinstance(value, list) and value and all(isinstance(p, list) and len(p) == 2 for p in value), "no domain")
    out = tuple((number(a, True), number(b, True)) for a, b in value)
    _need(all(a < b for a, b in out) and all(a[1] < b[0] for a, b in pairwise(out)), "a domain in disorder")
    return out


def _list(value: Any, length: int | None = None) -> list[Any]:
    _need(isinstance(value, list) and (length is None or len(value) == length), "no list of this length")
    return list(value)


def _claim(entry: Any, schema: int) -> tuple[Any, ...]:
    _keys(entry, {"name", "arguments", "status", "witness"})
    name, values = entry["name"], _list(entry["arguments"])
    _need(isinstance(name, str), "a claim without a name")
    _need(entry["status"] == "proved", "a claim that is not proved")
    infinite = name in ("range", "saturation")
    if name in ("monotone", "format"):
        _need(all(isinstance(v, str) for v in values), "a claim of another form")
        return (name, *values)
    if name == "rounding":
        raise NoOpinion("rounding")
    return (name, *(number(v, infinite) for v in values))


def _point(entry: Any) -> tuple[int, Any, int]:
    piece, x, sign = _list(entry, 3)
    _need(_whole(sign) in (1, -1), "no sign")
    return _whole(piece), number(x, True), sign


def statement_of(content: Any) -> Statement:
    """What a file states; raises `Malformed` where it is no certificate."""
    try:
        return _statement(content)
    except (KeyError, TypeError, IndexError, AttributeError, ArithmeticError) as problem:
        raise Malformed(str(problem)) from None
    except ValueError as problem:
        if isinstance(problem, Malformed | NoOpinion):
            raise
        raise Malformed(str(problem)) from None


def _statement(content: Any) -> Statement:
    _need(isinstance(content, dict) and content.get("schema") in SCHEMAS.values(), "another schema")
    schema = 1 if content["schema"] == SCHEMAS[1] else 2
    _keys(content, TOP | ({"reference"} if schema == 1 else {"references", "competitors"}), {"about"})
    try:
        _need(hashed(content)["hash"] == content["hash"], "another hash")
    except (ValueError, RecursionError):
        raise Malformed("no JSON") from None
    target, rational = content["target"], content["rational"]
    samples = None
    if isinstance(target, dict) and "samples" in target:
        _keys(target, {"samples", "domain"}, KEYS if schema == 1 else set())
        rows = [_list(row, 3) for row in _list(target["samples"])]
        samples = tuple((number(x), number(y), number(w)) for x, y, w in rows)
    else:
        _keys(target, KEYS)
        _need(isinstance(target["expression"], str) and isinstance(target["weight"], str), "no expression")
    _need(content["status"] == "proved" and content["pole_free"] is True, "nothing is proved")
    _keys(rational, {"basis", "format", "domain", "numerator", "denominator", "support"})
    _need(rational["basis"] in ("chebyshev", "monomial"), "another basis")
    _need(isinstance(rational["format"], str), "no format")
    p, q = (_whole(n) for n in _list(content["type"], 2))
    _need(p >= 0 and q >= 0, "a negative degree")
    domain, hull = _domain(target["domain"]), _domain(rational["domain"])
    _need(rational["basis"] == "monomial" or all(abs(e) < inf for pair in hull for e in pair), "an infinite hull")
    sides = [tuple(number(c) for c in _list(rational[key])) for key in ("numerator", "denominator")]
    _need(all(sides), "no coefficients")
    for x in _list(rational["support"]):
        number(x)
    witness = content["witness"]
    if witness is not None:
        piece, x = _list(witness, 2)
        witness = (_whole(piece), number(x, True))
    _need(witness is not None or number(content["lower"]) <= 0, "a lower bound without a witness")
    known = pieces(domain, [number(b) for b in target.get("breakpoints", [])])
    for part in _list(content["parts"]):
        piece, a, b = _list(part, 4 if schema == 1 else 3)[:3]
        _need(0 <= _whole(piece) < max(1, len(known)), "no such piece")
        number(a, True), number(b, True)
    for key, shown in (content.get("about") or {}).items():
        _need(key in ("lower", "upper", "best_lower"), "about something else")
        if shown is not None:
            size = number(content[key])
            _need(isinstance(shown, str) and len(shown) < 40, "a decimal was expected")
            _need(abs(Fraction(shown) - size) <= abs(size) * Fraction(1, 10**9), "about says another number")
    competitors = content.get("competitors", "one sign")
    _need(competitors in ("one sign", "any sign"), "no class of competitors")
    _need(isinstance(content["reason"], str) and isinstance(content["made_with"], dict), "a field of another kind")
    given = [{"points": content["reference"]}] if schema == 1 else _list(content["references"])
    references = tuple(((1,), tuple(_point(point) for point in _list(one["points"]))) for one in given)
    return Statement(
        expression=target.get("expression", ""),
        weight=target.get("weight", ""),
        domain=domain,
        numerator=sides[0],
        denominator=sides[1],
        type=(p, q),
        breakpoints=tuple(number(b) for b in _list(target.get("breakpoints", []))),
        samples=samples,
        basis=rational["basis"],
        hull=hull,
        format=rational["format"],
        competitors=competitors,
        lower=number(content["lower"]),
        upper=number(content["upper"]),
        best_lower=number(content["best_lower"]),
        witness=witness,
        references=references,
        claims=tuple(_claim(entry, schema) for entry in _list(content["claims"])),
        value=tuple(number(v) for v in _list(content["value"], 3)),  # type: ignore[arg-type]
    )
