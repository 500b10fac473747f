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

from rational_approx.arithmetic.domain import Domain, finite
from rational_approx.arithmetic.polynomials import exact, fmpq, fractions
from rational_approx.arithmetic.precision import fraction, working_precision
from rational_approx.composition.composite import Composite
from rational_approx.fitting.result import Fit
from rational_approx.kernels.counted import Counted
from rational_approx.kernels.implement import FixedImplementation, Implementation
from rational_approx.problem.competitors import Pattern
from rational_approx.problem.prescribed import Prescribed
from rational_approx.proof.certificate import Certificate, Claim, Part, Point, Reference
from rational_approx.rationals.rational import Rational
from rational_approx.rationals.saturation import Saturated
from rational_approx.shipping import texts
from rational_approx.shipping.composite_documents import composite_text, read_composite
from rational_approx.shipping.counted_documents import counted_text, read_counted
from rational_approx.shipping.datapath_documents import datapath_text, read_datapath
from rational_approx.shipping.kernel_documents import implementation_text, read_implementation
from rational_approx.shipping.texts import number_text, read_number

__all__ = ["SCHEMA", "canonical_hash", "document", "from_document", "number_text", "read_number"]


def _fit(fit: Fit) -> dict[str, Any]:
    optional: dict[str, Any] = {"monotone": fit.monotone} if fit.monotone else {}
    if fit.form is not None:
        optional["form"] = [[_optional(c) for c in side] for side in fit.form]
    return optional | {
        "target": texts.target_text(fit.target),
        "rational": texts.rational_text(fit.rational),
        "degree": list(fit.degree),
        "digits": fit.digits,
        "error": _error_text(fit.error),
        "converged": fit.converged,
        "reference": _points(fit.reference),
        "interpolate": [[number_text(a), _optional(b)] for a, b in fit.interpolate],
        "bounds": [number_text(bound) for bound in fit.bounds],
        "denominator": fit.denominator,
        "patterns": [_pattern(pattern) for pattern in fit.patterns],
    }


def _pattern(value: Pattern) -> dict[str, Any]:
    return {
        "signs": list(value.signs),
        "rational": texts.rational_text(value.rational),
        "error": _error_text(value.error),
        "reference": _points(value.reference),
        "converged": value.converged,
    }


def _points(reference: tuple[Any, ...]) -> list[str]:
    return [number_text(x if x in (inf, -inf) else fraction(x)) for x in reference]


def _optional(number: Fraction | None) -> str | None:
    return None if number is None else number_text(number)


def _read_optional(text: Any) -> Fraction | None:
    return None if text is None else read_number(text)


def _read_points(values: Any) -> tuple[Any, ...]:
    return tuple(read_number(x, infinite=True) for x in values)


def _error_text(error: Any) -> str:
    return number_text(Fraction(error) if isinstance(error, float) else fraction(error))


def _read_error(text: Any, digits: int | None) -> Any:
    error = read_number(text)
    if digits is None:
        return float(error)
    with working_precision(int(digits)):
        return mpmath.mpf(error.numerator) / error.denominator


def _read_pattern(value: dict[str, Any], digits: int | None) -> Pattern:
    reference = _read_points(value["reference"])
    signs = tuple(1 if int(sign) > 0 else -1 for sign in value["signs"])
    error, converged = _read_error(value["error"], digits), value["converged"] is True
    return Pattern(signs, texts.read_rational(value["rational"]), error, reference, converged)


def _read_fit(value: dict[str, Any]) -> Fit:
    digits = value["digits"]
    error = _read_error(value["error"], digits)
    p, q = value["degree"]
    reference = _read_points(value["reference"])
    converged = value["converged"] is True
    asked = [(read_number(a), _read_optional(b)) for a, b in value.get("interpolate", [])]
    lower, upper = _read_points(value.get("bounds", ["-inf", "inf"]))
    question = (texts.read_target(value["target"]), (int(p), int(q)), digits, tuple(asked), (lower, upper))
    denominator = str(value.get("denominator", "one sign"))
    if denominator not in ("one sign", "any"):
        raise ValueError(f"the class of competitors must be 'one sign' or 'any', not {denominator[:60]!r}")
    patterns = tuple(_read_pattern(pattern, digits) for pattern in value.get("patterns", []))
    rational = texts.read_rational(value["rational"])
    form = None
    if "form" in value:
        top, bottom = (tuple(_read_optional(c) for c in side) for side in value["form"])
        form = Prescribed(top, bottom)
    monotone = str(value.get("monotone", ""))
    if monotone not in ("", "increasing", "decreasing"):
        raise ValueError(f"a fit is 'increasing' or 'decreasing', not {monotone[:60]!r}")
    classes = {"denominator": denominator, "patterns": patterns, "form": form, "monotone": monotone}
    return Fit(rational, error, reference, converged, *question, **classes)  # type: ignore[arg-type]


def _certificate(value: Certificate) -> dict[str, Any]:
    # The exact value at t = 1/3 of the hull: T_k(1/3) is zero for no k, so that every coefficient counts.
    hull, bounded = value.rational.domain, value.rational.domain.bounded
    pinned = (2 * finite(hull.upper) + finite(hull.lower)) / 3 if bounded else Fraction(1, 3)
    values = [exact(side(fmpq(pinned))) for side in value.rational.polynomials]
    target = {
        "expression": value.target,
        "weight": value.weight,
        "domain": texts.domain_text(value.domain),
        "breakpoints": [number_text(b) for b in value.breakpoints],
    }
    if value.samples:  # a certificate of samples names no function
        samples = [[number_text(v) for v in sample] for sample in value.samples]
        target = {"samples": samples, "domain": texts.domain_text(value.domain)}
    return {
        "target": target,
        "rational": texts.rational_text(value.rational),
        "type": list(value.type),
        "competitors": value.competitors,
        "status": value.status,
        "reason": value.reason,
        "lower": _optional(value.lower),
        "upper": _optional(value.upper),
        "best_lower": number_text(value.best_lower),
        "pole_free": value.pole_free,
        "witness": None if value.witness is None else [value.witness.piece, number_text(value.witness.x)],
        "references": [_reference(reference) for reference in value.references],
        "parts": [[p.piece, number_text(p.lower), number_text(p.upper)] for p in value.parts],
        "claims": [
            {
                "name": c.name,
                "arguments": [a if isinstance(a, str) else number_text(a) for a in c.arguments],
                "status": c.status,
                "witness": _optional(c.witness),
            }
            for c in value.claims
        ],
        "value": [number_text(number) for number in (pinned, *values)],
        "made_with": {name: _version(name) for name in ("rational-sae", "python-flint")},
    }


def _reference(value: Reference) -> dict[str, Any]:
    points = [[p.piece, number_text(p.x), side] for p, side in zip(value.points, value.sides)]
    out: dict[str, Any] = {"signs": list(value.signs), "points": points}
    if value.rational is not None:
        top, bottom = (fractions(side) for side in value.rational.polynomials)
        out |= {"numerator": [number_text(c) for c in top], "denominator": [number_text(c) for c in bottom]}
    return out


def _read_reference(value: dict[str, Any], domain: Domain) -> Reference:
    rational = None
    if "numerator" in value:
        top, bottom = (texts.read_numbers(value[side]) for side in ("numerator", "denominator"))
        rational = Rational(top, bottom, domain, "monomial")
    points = tuple(Point(int(piece), read_number(x, infinite=True)) for piece, x, _ in value["points"])
    sides = tuple(int(side) for _, _, side in value["points"])
    return Reference(tuple(int(sign) for sign in value["signs"]), points, sides, rational)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def _read_certificate(value: dict[str, Any]) -> Certificate:
    target, witness, domain = value["target"], value["witness"], texts.read_domain(value["target"]["domain"])
    p, q = value["type"]
    claims = []
    for claim in value["claims"]:
        given, words = claim["arguments"], {"monotone": 1, "format": 1, "rounding": 3}.get(claim["name"], 0)
        arguments = (*map(str, given[:words]), *_read_points(given[words:]))
        claims.append(Claim(str(claim["name"]), arguments, str(claim["status"]), _read_optional(claim["witness"])))
    samples = tuple((x, y, weight) for x, y, weight in map(texts.read_numbers, target.get("samples", [])))
    weighted = any(weight != 1 for _, _, weight in samples)
    # Schema 1 had one reference, of the certified rational, and named samples.
    references = value.get("references", [{"signs": [1] * len(domain.intervals), "points": value.get("reference", [])}])
    return Certificate(
        str(value["status"]),
        _read_optional(value["lower"]),
        _read_optional(value["upper"]),
        read_number(value["best_lower"]),
        value["pole_free"] if value["pole_free"] in (True, False) else None,
        texts.read_rational(value["rational"]),
        domain,
        f"{len(samples)} samples" if samples else str(target["expression"]),
        ("samples" if weighted else "1") if samples else str(target["weight"]),
        () if samples else texts.read_numbers(target["breakpoints"]),
        tuple(claims),
        None if witness is None else Point(int(witness[0]), read_number(witness[1], infinite=True)),
        tuple(_read_reference(entry, domain) for entry in references if entry["points"]),
        tuple(Part(int(piece), *_read_points(ends[:2])) for piece, *ends in (() if samples else value["parts"])),
        (int(p), int(q)),
        str(value["reason"]),
        samples,
        str(value.get("competitors", "one sign")),
    )


_KINDS: dict[str, tuple[type, Any, Any]] = {
    "rational": (Rational, texts.rational_text, texts.read_rational),
    "fit": (Fit, _fit, _read_fit),
    "saturated": (
        Saturated,
        lambda value: {
            "rational": texts.rational_text(value.rational),
            "slopes": [number_text(slope) for slope in value.slopes],
        },
        lambda value: Saturated(texts.read_rational(value["rational"]), texts.read_numbers(value["slopes"], 2)),
    ),
    "certificate": (Certificate, _certificate, _read_certificate),
    "datapath": (FixedImplementation, datapath_text, read_datapath),
    "kernel": (Implementation, implementation_text, read_implementation),
    "counted": (
        Counted,
        lambda value: counted_text(value, document(value.implementation)),
        lambda content: read_counted(content, from_document(content["implementation"])),
    ),
    "composite": (Composite, composite_text, read_composite),
}
SCHEMA = "rational-approx/{}/1"
CERTIFICATE = "rational-approx/certificate/2"
"""Since schema 2 the class of competitors is part of a certificate; files of schema 1 are still read."""
KERNEL = "rational-approx/kernel/4"
"""Since schema 2 code may call functions, and calculate in float64; since schema 3 it may have roots, logarithms and
sines, and inputs without a value; since schema 4 a scheme, with fused operations. Older files are still read."""
OLDER = {f"rational-approx/kernel/{schema}": "kernel" for schema in (2, 3)}
NEWEST = {"certificate": CERTIFICATE, "kernel": KERNEL}


def canonical_hash(content: dict[str, Any]) -> str:
    """SHA-256 of the canonical text: keys sorted, no spaces, ASCII, without the key ``hash``."""
    kept = {key: value for key, value in content.items() if key != "hash"}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode("ascii")).hexdigest()


def document(value: Any) -> dict[str, Any]:
    """The JSON document of a value that can be saved, with its schema and its hash."""
    for kind, (cls, write, _) in _KINDS.items():
        if isinstance(value, cls):
            content = {"schema": NEWEST.get(kind, SCHEMA.format(kind)), **write(value)}
            return content | {"hash": canonical_hash(content)}
    raise TypeError(
        f"a Rational, a Saturated, a Fit, a Certificate, an Implementation, a Counted or a Composite can be saved, not "
        f"{type(value).__name__}"
    )


def from_document(content: Any) -> Any:
    """The value that a document describes; ValueError where it is damaged or of another kind."""
    schema = content.get("schema") if isinstance(content, dict) else None
    kinds = {SCHEMA.format(kind): kind for kind in _KINDS} | OLDER | {schema: kind for kind, schema in NEWEST.items()}
    kind = kinds.get(str(schema))
    if kind is None:
        raise ValueError(f"the document's schema is {str(schema)[:80]!r}; known are {', '.join(kinds)}")
    if content.get("hash") != canonical_hash(content):
        raise ValueError("the document's hash does not match its content: it was changed or damaged after it was saved")
    try:
        return _KINDS[kind][2](content)
    except (KeyError, TypeError, IndexError, OverflowError, AttributeError) as problem:
        raise ValueError(f"the document lacks something that a {kind} needs: {problem!r}") from None
