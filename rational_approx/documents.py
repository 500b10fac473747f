"""The JSON documents of rationals, fits and certificates: exact numbers as text, and a hash over the canonical text.

Numbers are strings: ``"3"``, ``"1/3"``, ``"-0x1fp-7"`` (a hexadecimal integer times a power of two), ``"inf"``. Nothing
in a document is ever evaluated as code; expressions go through the whitelist parser.
"""

import hashlib
import json
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from math import inf
from typing import Any

import mpmath

from rational_approx.certificate import Certificate, Claim, Part, Point
from rational_approx.polynomials import exact, fmpq
from rational_approx.precision import fraction
from rational_approx.rational import Rational
from rational_approx.remez import Fit
from rational_approx.saturation import Saturated
from rational_approx.signs import Pattern
from rational_approx.texts import domain_text as _domain_text
from rational_approx.texts import number_text, read_number
from rational_approx.texts import rational_text as _rational
from rational_approx.texts import read_domain as _read_domain
from rational_approx.texts import read_numbers as _numbers
from rational_approx.texts import read_rational as _read_rational
from rational_approx.texts import read_target as _read_target
from rational_approx.texts import target_text as _target

__all__ = ["SCHEMA", "canonical_hash", "document", "from_document", "number_text", "read_number"]


def _fit(fit: Fit) -> dict[str, Any]:
    return {
        "target": _target(fit.target),
        "rational": _rational(fit.rational),
        "degree": list(fit.degree),
        "digits": fit.digits,
        "error": _error_text(fit.error),
        "converged": fit.converged,
        "reference": [number_text(x if x in (inf, -inf) else fraction(x)) for x in fit.reference],
        "interpolate": [[number_text(a), None if b is None else number_text(b)] for a, b in fit.interpolate],
        "bounds": [number_text(bound) for bound in fit.bounds],
        "denominator": fit.denominator,
        "patterns": [_pattern(pattern) for pattern in fit.patterns],
    }


def _pattern(value: Pattern) -> dict[str, Any]:
    return {
        "signs": list(value.signs),
        "rational": _rational(value.rational),
        "error": _error_text(value.error),
        "reference": [number_text(x if x in (inf, -inf) else fraction(x)) for x in value.reference],
        "converged": value.converged,
    }


def _error_text(error: Any) -> str:
    return number_text(Fraction(error) if isinstance(error, float) else fraction(error))


def _read_error(text: Any, digits: int | None) -> Any:
    error = read_number(text)
    if digits is None:
        return float(error)
    with mpmath.workdps(int(digits)):
        return mpmath.mpf(error.numerator) / error.denominator


def _read_pattern(value: dict[str, Any], digits: int | None) -> Pattern:
    reference = tuple(read_number(x, infinite=True) for x in value["reference"])
    signs = tuple(1 if int(sign) > 0 else -1 for sign in value["signs"])
    error, converged = _read_error(value["error"], digits), value["converged"] is True
    return Pattern(signs, _read_rational(value["rational"]), error, reference, converged)


def _read_fit(value: dict[str, Any]) -> Fit:
    digits = value["digits"]
    error = _read_error(value["error"], digits)
    p, q = value["degree"]
    reference = tuple(read_number(x, infinite=True) for x in value["reference"])
    converged = value["converged"] is True
    asked = [(read_number(a), None if b is None else read_number(b)) for a, b in value.get("interpolate", [])]
    lower, upper = (read_number(bound, infinite=True) for bound in value.get("bounds", ["-inf", "inf"]))
    question = (_read_target(value["target"]), (int(p), int(q)), digits, tuple(asked), (lower, upper))
    denominator = str(value.get("denominator", "one sign"))
    if denominator not in ("one sign", "any"):
        raise ValueError(f"the class of competitors must be 'one sign' or 'any', not {denominator[:60]!r}")
    patterns = tuple(_read_pattern(pattern, digits) for pattern in value.get("patterns", []))
    rational = _read_rational(value["rational"])
    return Fit(rational, error, reference, converged, *question, denominator=denominator, patterns=patterns)


def _certificate(value: Certificate) -> dict[str, Any]:
    def optional(number: Fraction | None) -> str | None:
        return None if number is None else number_text(number)

    def about(number: Fraction | None) -> str | None:
        return None if number is None else f"{float(number):.15g}"

    # The exact value at t = 1/3 of the hull: T_k(1/3) is zero for no k, so that every coefficient counts.
    hull, bounded = value.rational.domain, value.rational.domain.bounded
    pinned = (2 * hull.upper + hull.lower) / 3 if bounded else Fraction(1, 3)
    return {
        "target": {
            "expression": value.target,
            "weight": value.weight,
            "domain": _domain_text(value.domain),
            "breakpoints": [number_text(b) for b in value.breakpoints],
            **({"samples": [[number_text(v) for v in sample] for sample in value.samples]} if value.samples else {}),
        },
        "rational": _rational(value.rational),
        "type": list(value.type),
        "status": value.status,
        "reason": value.reason,
        "lower": optional(value.lower),
        "upper": optional(value.upper),
        "best_lower": number_text(value.best_lower),
        "about": {"lower": about(value.lower), "upper": about(value.upper), "best_lower": about(value.best_lower)},
        "pole_free": value.pole_free,
        "witness": None if value.witness is None else [value.witness.piece, number_text(value.witness.x)],
        "reference": [[p.piece, number_text(p.x), sign] for p, sign in zip(value.reference, value.signs)],
        "parts": [[p.piece, number_text(p.lower), number_text(p.upper), p.how] for p in value.parts],
        "claims": [
            {
                "name": c.name,
                "arguments": [a if isinstance(a, str) else number_text(a) for a in c.arguments],
                "status": c.status,
                "witness": optional(c.witness),
            }
            for c in value.claims
        ],
        "value": [number_text(number) for number in (pinned, *_values(value.rational, pinned))],  # type: ignore[arg-type]
        "made_with": {name: _version(name) for name in ("rational-sae", "python-flint")},
    }


def _values(rational: Rational, x: Fraction) -> tuple[Fraction, Fraction]:
    top, bottom = rational.polynomials
    return exact(top(fmpq(x))), exact(bottom(fmpq(x)))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def _read_certificate(value: dict[str, Any]) -> Certificate:
    def optional(text: Any) -> Fraction | None:
        return None if text is None else read_number(text)

    target, witness = value["target"], value["witness"]
    p, q = value["type"]
    claims = []
    for claim in value["claims"]:
        named = claim["name"] == "monotone"
        arguments = tuple(str(a) if named else read_number(a, infinite=True) for a in claim["arguments"])
        claims.append(Claim(str(claim["name"]), arguments, str(claim["status"]), optional(claim["witness"])))
    return Certificate(
        str(value["status"]),
        optional(value["lower"]),
        optional(value["upper"]),
        read_number(value["best_lower"]),
        value["pole_free"] if value["pole_free"] in (True, False) else None,
        _read_rational(value["rational"]),
        _read_domain(target["domain"]),
        str(target["expression"]),
        str(target["weight"]),
        _numbers(target["breakpoints"]),
        tuple(claims),
        None if witness is None else Point(int(witness[0]), read_number(witness[1], infinite=True)),
        tuple(Point(int(piece), read_number(x, infinite=True)) for piece, x, _ in value["reference"]),
        tuple(
            Part(int(piece), read_number(lower, infinite=True), read_number(upper, infinite=True), str(how))
            for piece, lower, upper, how in value["parts"]
        ),
        (int(p), int(q)),
        str(value["reason"]),
        tuple(int(sign) for _, _, sign in value["reference"]),
        tuple(_sample(sample) for sample in target.get("samples", [])),
    )


def _sample(value: Any) -> tuple[Fraction, Fraction, Fraction]:
    x, y, weight = _numbers(value)
    return x, y, weight


_KINDS: dict[str, tuple[type, Any, Any]] = {
    "rational": (Rational, _rational, _read_rational),
    "fit": (Fit, _fit, _read_fit),
    "saturated": (
        Saturated,
        lambda value: {
            "rational": _rational(value.rational),
            "slopes": [number_text(slope) for slope in value.slopes],
        },
        lambda value: Saturated(_read_rational(value["rational"]), _numbers(value["slopes"], 2)),
    ),
    "certificate": (Certificate, _certificate, _read_certificate),
}
SCHEMA = "rational-approx/{}/1"


def canonical_hash(content: dict[str, Any]) -> str:
    """SHA-256 of the canonical text: keys sorted, no spaces, ASCII, without the key ``hash``."""
    kept = {key: value for key, value in content.items() if key != "hash"}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode("ascii")).hexdigest()


def document(value: Any) -> dict[str, Any]:
    """The JSON document of a rational, a fit or a certificate, with its schema and its hash."""
    for kind, (cls, write, _) in _KINDS.items():
        if isinstance(value, cls):
            content = {"schema": SCHEMA.format(kind), **write(value)}
            return content | {"hash": canonical_hash(content)}
    raise TypeError(f"a Rational, a Saturated, a Fit or a Certificate can be saved, not {type(value).__name__}")


def from_document(content: Any) -> Any:
    """The value that a document describes; ValueError where it is damaged or of another kind."""
    schema = content.get("schema") if isinstance(content, dict) else None
    kind = next((kind for kind in _KINDS if schema == SCHEMA.format(kind)), None)
    if kind is None:
        raise ValueError(
            f"the document's schema is {str(schema)[:80]!r}; known are {', '.join(map(SCHEMA.format, _KINDS))}"
        )
    if content.get("hash") != canonical_hash(content):
        raise ValueError("the document's hash does not match its content: it was changed or damaged after it was saved")
    try:
        return _KINDS[kind][2](content)
    except (KeyError, TypeError, IndexError, OverflowError, AttributeError) as problem:
        raise ValueError(f"the document lacks something that a {kind} needs: {problem!r}") from None
