"""The JSON document of an implementation: its code, operation by operation, and what is proved of it."""

import re
from fractions import Fraction
from math import copysign, isinf, isnan, nan
from typing import Any

from rational_approx.expressions.expression import parse
from rational_approx.kernels.coefficient_formats import coefficient_formats
from rational_approx.kernels.enclosed import cuts_of
from rational_approx.kernels.facts import Facts, TriedFacts
from rational_approx.kernels.implement import Implementation
from rational_approx.kernels.kernel import ARITY, Function, Kernel, Piece
from rational_approx.kernels.numbers import ACCUMULATORS, KINDS
from rational_approx.kernels.scheme import PLAIN, SCHEMES, Scheme
from rational_approx.problem.prescribed import Prescribed, read_form
from rational_approx.programs.program import INPUT, Constant, Input, Operand, Result, Step
from rational_approx.shipping.texts import line, number_text, read_number

__all__ = ["implementation_text", "read_implementation"]

MOST_PIECES, MOST_STEPS = 40, 200
KINDS_OF_FUNCTIONS = ("exp", "log", "sin", "cos", "expm1", "log1p", "atan", "sigmoid", "silu", "softplus")


def implementation_text(value: Implementation) -> dict[str, Any]:
    """The content of the document, without schema and hash."""
    found, kernel = value.facts, value.kernel
    facts: dict[str, Any] = {
        "inputs": found.inputs,
        "ulp": number_text(found.ulp),
        "worst": _float(found.worst),
        "lowest": _float(found.lowest),
        "highest": _float(found.highest),
        "at": [_float(y) for y in found.at],
    }
    if isinstance(found, TriedFacts):
        facts |= {"correct": found.correct, "faithful": found.faithful, "turns": found.turns}
    # Where a branch may switch: whoever checks boxes of inputs looks for nothing.
    cuts = () if kernel.format in KINDS else cuts_of(kernel, parse(value.expression))
    return {
        "target": {"name": value.name, "expression": value.expression},
        "format": kernel.format,
        "inner": kernel.inner,
        "scheme": _scheme(kernel.scheme),
        "functions": [{"name": function.name, **_code(function)} for function in kernel.functions],
        "pieces": [{"upper": _float(piece.upper), **_code(piece)} for piece in kernel.pieces],
        "cuts": [number_text(cut) for cut in cuts],
        "facts": facts,
        "wanted": number_text(value.wanted),
        "segments": value.segments,
        "status": "proved",
    }


def read_implementation(content: dict[str, Any]) -> Implementation:
    """The implementation of a document; ValueError where it makes no sense."""
    format = content["format"]
    inner = content.get("inner", "float32")  # schema 1 has no functions, and calculates in float32
    if inner not in ACCUMULATORS.get(format, ()):
        raise ValueError(f"the code is for {str(format)[:40]!r}, not for one of {', '.join(ACCUMULATORS)}")
    if len(content["pieces"]) > MOST_PIECES:
        raise ValueError(f"the code has more than {MOST_PIECES} pieces")
    functions = tuple(Function(str(entry["name"]), *_read_code(entry, ())) for entry in content.get("functions", []))
    names = tuple(function.name for function in functions)
    known = re.compile(f"({'|'.join(KINDS_OF_FUNCTIONS)})(_[0-9]{{1,2}})?")
    unknown = [function.name for function in functions if not known.fullmatch(function.name)]
    if unknown or len(set(names)) < len(names):
        raise ValueError(f"the code calls an unknown function {[*unknown, *names][0][:20]!r}")
    pieces = tuple(_read_piece(entry, names) for entry in content["pieces"])
    return Implementation(
        line(content["target"]["expression"]),
        line(content["target"]["name"]),
        Kernel(format, inner, pieces, functions, _read_scheme(content)),
        _read_facts(content["facts"], format),
        read_number(content["wanted"]),
        int(content["segments"]),
    )


def _scheme(scheme: Scheme) -> dict[str, Any]:
    """What is not there was not asked for."""
    found: dict[str, Any] = {"order": scheme.order, "fma": scheme.fma, "flush": scheme.flush}
    if scheme.coefficients is not None:
        found["coefficients"] = scheme.coefficients.text
    if scheme.form is not None:
        found["constraints"] = {
            name: [None if c is None else number_text(c) for c in side] for name, side in zip("PQ", scheme.form)
        }
    return found


def _read_scheme(content: dict[str, Any]) -> Scheme:
    """How operations were chosen; before schema 4 by Horner's rule, each rounded by itself."""
    entry = content.get("scheme", _scheme(PLAIN))
    flags = [entry[name] for name in ("fma", "flush")]
    if entry["order"] not in SCHEMES or not all(isinstance(flag, bool) for flag in flags):
        raise ValueError(f"the code has an unknown scheme {str(entry)[:60]}")
    short = coefficient_formats(entry["coefficients"]) if "coefficients" in entry else None
    form = _read_form(entry["constraints"]) if "constraints" in entry else None
    return Scheme(entry["order"], flags[0], flags[1], short, form)


def _read_form(entry: Any) -> Prescribed:
    sides = ([None if c is None else read_number(c) for c in entry[name]] for name in "PQ")
    form = read_form(tuple(sides))
    if form is None:
        raise ValueError(f"the code has unknown constraints {str(entry)[:60]}")
    return form


def _read_facts(facts: dict[str, Any], format: str) -> Facts:
    at = tuple(map(_read_float, facts["at"]))
    shared = (
        int(facts["inputs"]),
        read_number(facts["ulp"]),
        *(_read_float(facts[name]) for name in ("worst", "lowest", "highest")),
        (at[0], at[1], at[2], at[3]),
    )
    if format not in KINDS:
        return Facts(*shared)
    return TriedFacts(*shared, *(int(facts[name]) for name in ("correct", "faithful", "turns")))


def _code(code: Piece | Function) -> dict[str, Any]:
    return {
        "steps": [[op, *map(_operand, names)] for op, names in code.steps],
        "result": "nan" if code.result is None else _operand(code.result),
        "about": code.about,
    }


def _read_code(value: dict[str, Any], functions: tuple[str, ...]) -> tuple[tuple[Step, ...], Operand, str]:
    steps: list[Step] = []
    if len(value["steps"]) > MOST_STEPS:
        raise ValueError(f"code has more than {MOST_STEPS} steps")
    for op, *names in value["steps"]:
        if len(names) != (1 if op in functions else ARITY.get(op)):
            raise ValueError(f"the code has an unknown step {str(op)[:20]!r}")
        steps.append(Step(op, tuple(_read_operand(name, len(steps)) for name in names)))
    return tuple(steps), _read_operand(value["result"], len(steps)), line(value["about"])


def _read_piece(entry: dict[str, Any], functions: tuple[str, ...]) -> Piece:
    upper = _read_float(entry["upper"])
    if entry["result"] == "nan":
        return Piece(upper, (), None, line(entry["about"]))
    return Piece(upper, *_read_code(entry, functions))


def _operand(which: Operand) -> str:
    if isinstance(which, Constant):
        return number_text(which.value)
    return "x" if isinstance(which, Input) else f"v{which.step}"


def _read_operand(text: str, count: int) -> Operand:
    if text == "x":
        return INPUT
    if text.startswith("v"):
        if not text[1:].isdigit() or int(text[1:]) >= count:
            raise ValueError(f"an operand {text[:20]!r} names no earlier step")
        return Result(int(text[1:]))
    return Constant(read_number(text))


def _float(value: float) -> str:
    if isnan(value):
        return "nan"
    if isinf(value):
        return "inf" if value > 0 else "-inf"
    return "-0" if value == 0 and copysign(1, value) < 0 else number_text(Fraction(value))


def _read_float(text: str) -> float:
    if text == "nan":
        return nan
    return -0.0 if text == "-0" else float(read_number(text, infinite=True))
