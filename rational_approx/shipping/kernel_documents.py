"""The JSON document of an implementation: its code, operation by operation, and what is proved of it."""

from fractions import Fraction
from math import copysign, isinf
from typing import Any

from rational_approx.kernels.facts import Facts
from rational_approx.kernels.implement import Implementation
from rational_approx.kernels.kernel import OPERATIONS, Kernel, Piece
from rational_approx.kernels.numbers import KINDS
from rational_approx.programs.program import INPUT, Constant, Input, Operand, Result, Step
from rational_approx.shipping.texts import number_text, read_number

__all__ = ["implementation_text", "read_implementation"]

MOST_PIECES, MOST_STEPS = 40, 200


def implementation_text(value: Implementation) -> dict[str, Any]:
    """The content of the document, without schema and hash."""
    found = value.facts
    return {
        "target": {"name": value.name, "expression": value.expression},
        "format": value.kernel.format,
        "pieces": [_piece(piece) for piece in value.kernel.pieces],
        "facts": {
            "inputs": found.inputs,
            "ulp": number_text(found.ulp),
            "worst": _float(found.worst),
            "correct": found.correct,
            "faithful": found.faithful,
            "turns": found.turns,
            "lowest": _float(found.lowest),
            "highest": _float(found.highest),
            "at": [_float(y) for y in found.at],
        },
        "wanted": number_text(value.wanted),
        "segments": value.segments,
        "status": "proved",
    }


def read_implementation(content: dict[str, Any]) -> Implementation:
    """The implementation of a document; ValueError where it makes no sense."""
    if content["format"] not in KINDS:
        raise ValueError(f"the code is for {str(content['format'])[:40]!r}, not for one of {', '.join(KINDS)}")
    if len(content["pieces"]) > MOST_PIECES:
        raise ValueError(f"the code has more than {MOST_PIECES} pieces")
    facts = content["facts"]
    at = tuple(map(_read_float, facts["at"]))
    return Implementation(
        str(content["target"]["expression"]),
        str(content["target"]["name"]),
        Kernel(content["format"], tuple(map(_read_piece, content["pieces"]))),
        Facts(
            int(facts["inputs"]),
            read_number(facts["ulp"]),
            _read_float(facts["worst"]),
            int(facts["correct"]),
            int(facts["faithful"]),
            int(facts["turns"]),
            _read_float(facts["lowest"]),
            _read_float(facts["highest"]),
            (at[0], at[1], at[2], at[3]),
        ),
        read_number(content["wanted"]),
        int(content["segments"]),
    )


def _piece(piece: Piece) -> dict[str, Any]:
    return {
        "upper": _float(piece.upper),
        "steps": [[op, *map(_operand, names)] for op, names in piece.steps],
        "result": _operand(piece.result),
        "about": piece.about,
    }


def _read_piece(value: dict[str, Any]) -> Piece:
    steps: list[Step] = []
    if len(value["steps"]) > MOST_STEPS:
        raise ValueError(f"a piece has more than {MOST_STEPS} steps")
    for op, *names in value["steps"]:
        if op not in OPERATIONS or len(names) != 2:
            raise ValueError(f"the code has an unknown step {str(op)[:20]!r}")
        steps.append(Step(op, tuple(_read_operand(name, len(steps)) for name in names)))
    result = _read_operand(value["result"], len(steps))
    return Piece(_read_float(value["upper"]), tuple(steps), result, str(value["about"]))


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
    if isinf(value):
        return "inf" if value > 0 else "-inf"
    return "-0" if value == 0 and copysign(1, value) < 0 else number_text(Fraction(value))


def _read_float(text: str) -> float:
    return -0.0 if text == "-0" else float(read_number(text, infinite=True))
