"""The parts of JSON documents: exact numbers as text, domains, rationals and targets."""

import re
from fractions import Fraction
from math import inf
from typing import Any

import numpy as np

from rational_approx.arithmetic.domain import Domain, End
from rational_approx.expressions.expression import parse
from rational_approx.rationals.rational import Rational
from rational_approx.targets.target import Target

__all__ = [
    "domain_text",
    "line",
    "number_text",
    "rational_text",
    "read_domain",
    "read_number",
    "read_numbers",
    "read_rational",
    "read_target",
    "target_text",
]

MAX_DIGITS = 200_000
_NUMBER = re.compile(r"(-?)0x([0-9a-f]+)p([+-]?[0-9]{1,7})")
_FRACTION = re.compile(r"-?[0-9]{1,4000}(/[0-9]{1,4000})?")


def line(text: Any) -> str:
    """Text of a file that stands in a comment or a docstring of code: one line, that ends neither.

    >>> line("P / Q about zero")
    'P / Q about zero'
    """
    plain = isinstance(text, str) and text.isascii() and text.isprintable()
    if not plain or any(mark in text for mark in ("*/", "/*", '"', "\\", "??/")):
        raise ValueError(f"{str(text)[:40]!r} is not one line of plain text, as words of a file are")
    return text


def number_text(value: End) -> str:
    """An exact number as text.

    >>> number_text(Fraction(-31, 128)), number_text(Fraction(1, 3)), number_text(Fraction(7))
    ('-0x1fp-7', '1/3', '7')
    """
    if not isinstance(value, Fraction):
        return "inf" if value > 0 else "-inf"
    n, d = value.numerator, value.denominator
    if d & (d - 1) == 0 and (d > 1 or n.bit_length() > 60):
        return f"{'-' if n < 0 else ''}0x{abs(n):x}p{1 - d.bit_length()}"
    return str(value)


def read_number(text: Any, *, infinite: bool = False) -> Any:
    """The exact number that a text stands for; ValueError where it is none."""
    if infinite and text in ("inf", "-inf"):
        return inf if text == "inf" else -inf
    if isinstance(text, str) and len(text) <= MAX_DIGITS:
        dyadic = _NUMBER.fullmatch(text)
        if dyadic and abs(int(dyadic[3])) <= 4 * MAX_DIGITS:
            return Fraction(int(dyadic[1] + dyadic[2], 16)) * Fraction(2) ** int(dyadic[3])
        if _FRACTION.fullmatch(text) and not re.search("/0+$", text):
            return Fraction(text)
    raise ValueError(f"{str(text)[:60]!r} is no exact number such as '3', '1/3' or '0x1fp-7'")


def read_numbers(values: Any, limit: int = 10_000) -> tuple[Fraction, ...]:
    """The exact numbers of a list of texts."""
    if not isinstance(values, list) or len(values) > limit:
        raise ValueError(f"a list of at most {limit} numbers was expected")
    return tuple(read_number(value) for value in values)


def domain_text(domain: Domain) -> list[list[str]]:
    """A domain as pairs of texts."""
    return [[number_text(end) for end in interval] for interval in domain.intervals]


def read_domain(value: Any) -> Domain:
    """The domain that pairs of texts stand for."""
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise ValueError("a domain is a list of pairs of numbers")
    return Domain.of([tuple(read_number(end, infinite=True) for end in pair) for pair in value])


def rational_text(value: Rational) -> dict[str, Any]:
    """A rational as a document's part."""
    return {
        "basis": value.basis,
        "format": value.format,
        "domain": domain_text(value.domain),
        "numerator": [number_text(c) for c in value.numerator],
        "denominator": [number_text(c) for c in value.denominator],
        "support": [number_text(x) for x in value.support],
    }


def read_rational(value: dict[str, Any]) -> Rational:
    """The rational of a document's part."""
    return Rational(
        read_numbers(value["numerator"]),
        read_numbers(value["denominator"]),
        read_domain(value["domain"]),
        str(value["basis"]),
        str(value["format"]),
        read_numbers(value.get("support", [])),
    )


def target_text(target: Target) -> dict[str, Any]:
    """A target as a document's part; ValueError for a Python function."""
    out: dict[str, Any] = {"domain": domain_text(target.domain)}
    if target.samples is not None:
        return out | {"samples": [[float(v) for v in side] for side in (*target.samples, target.weight)]}
    if target.expression is None or target.weight_expression is None:
        raise ValueError(
            f"the target {target.name} is a Python function, and code is never stored: save fit.rational instead, "
            "or give the target as an expression"
        )
    out |= {"expression": target.expression.text, "variable": target.expression.variable}
    out |= {"weight": target.weight_expression.text, "weight_variable": target.weight_expression.variable}
    return out | {"breakpoints": [number_text(b) for b in target.breakpoints]}


def read_target(value: dict[str, Any]) -> Target:
    """The target of a document's part."""
    domain = read_domain(value["domain"])
    if "samples" in value:
        x, y, weights = (np.array(side, dtype=np.float64) for side in value["samples"])
        return Target((x, y), domain, weight=weights)
    expression = parse(value["expression"], str(value["variable"]))
    weight = parse(value["weight"], str(value["weight_variable"]))
    return Target(expression, domain, weight=weight, breakpoints=read_numbers(value["breakpoints"]))
