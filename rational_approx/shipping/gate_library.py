"""A folder with the code of many gates, their certificates, and a table of their errors beside other code's.

Every file is written whole as soon as it is known, and the tables after every gate. What the folder has already is
kept: a certificate that answers the same question is read in place of a search.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from math import inf, isinf
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

import numpy as np

from rational_approx.expressions.expression import parse
from rational_approx.files import write
from rational_approx.kernels.comparison import Compared, compared, compared_numbers
from rational_approx.kernels.facts import TriedFacts
from rational_approx.kernels.implement import Implementation, NoKernel, asked, implement
from rational_approx.kernels.scheme import PLAIN, Scheme
from rational_approx.kernels.textbook import textbook_operations, textbook_outputs
from rational_approx.kernels.truth import enclosed
from rational_approx.shipping.documents import document
from rational_approx.shipping.source_code import export
from rational_approx.shipping.storage import load, save
from rational_approx.targets import gates
from rational_approx.watch import Listener

__all__ = ["ALL_GATES", "GATE_FORMATS", "NOTES", "SUFFIXES", "Outputs", "Question", "Row", "gate_library", "table"]

ALL_GATES = (*gates.NAMES, "exp")
"""Every gate that has a name, and exp."""
GATE_FORMATS = ("bfloat16", "float16", "float32")
"""Formats in which gates are compared with other code."""
SUFFIXES = {
    "c": ".h",
    "cuda": ".cuh",
    "rust": ".rs",
    "numpy": "_numpy.py",
    "pytorch": "_pytorch.py",
    "triton": "_triton.py",
}
"""How a file of each language ends."""
Outputs = Callable[[str, str, np.ndarray], np.ndarray | None]
"""Values of somebody else's function for a formula, in a format, at numbers of it; None where they have none."""


class Question(NamedTuple):
    """What is asked for every gate; see `implement`."""

    error: Fraction
    segments: int = 4
    time_limit: float | None = None
    scheme: Scheme = PLAIN


@dataclass(frozen=True)
class Row:
    """One gate in one format: what was found, or in ``reason`` why nothing was.

    ``ulp`` is proved. ``correct`` and ``turns`` are known where every input was tried. The errors of the textbook's
    formula and of PyTorch's function are measured: the largest one, where, and the share of inputs beyond 1 ulp.
    """

    gate: str
    format: str
    formula: str
    ulp: float | None = None
    worst: float | None = None
    inputs: int | None = None
    correct: int | None = None
    turns: int | None = None
    operations: int | None = None
    longest: int | None = None
    pieces: int | None = None
    seconds: float | None = None
    textbook_operations: str = ""
    textbook_ulp: float | None = None
    textbook_at: float | None = None
    textbook_beyond: float | None = None
    pytorch_ulp: float | None = None
    pytorch_at: float | None = None
    pytorch_beyond: float | None = None
    certificate: str = ""
    reason: str = ""


def gate_library(
    folder: Path,
    names: Iterable[str],
    formats: Iterable[str],
    languages: Iterable[str],
    question: Question,
    others: Outputs | None = None,
    progress: Listener | None = None,
) -> Iterator[Row]:
    """Write the code of each gate in each format and language into a folder; a row as each is done.

    The folder is made where it is missing, and holds afterwards ``GATE_FORMAT.json``, the certificate, a file of code
    for each language, and the table as ``README.md``, ``gates.csv`` and ``gates.json``. A gate that cannot be had is a
    row with its reason.

    Raises
    ------
    ValueError
        for a format or a question that makes no sense, before anything is written.
    """
    names, formats, languages = tuple(names), tuple(formats), tuple(languages)
    for format in formats:
        if format not in GATE_FORMATS:
            raise ValueError(f"the gates are compared in {', '.join(GATE_FORMATS)}, not in {format}")
        asked(format, question.error, segments=question.segments)
    folder.mkdir(exist_ok=True)
    rows = {(row.gate, row.format): row for row in _rows(folder / "gates.json")}
    for format in formats:
        for name in names:
            row = _row(folder, name, format, languages, question, rows.get((name, format)), others, progress)
            rows[name, format] = row
            _write_tables(folder, list(rows.values()))
            yield row


def _row(
    folder: Path,
    name: str,
    format: str,
    languages: tuple[str, ...],
    question: Question,
    before: Row | None,
    others: Outputs | None,
    progress: Listener | None,
) -> Row:
    called, formula = f"{name}_{format}", _formula(name)
    file = folder / f"{called}.json"
    found, began = _kept(file, format, formula, question), process_time()
    if found is None:
        try:
            found = implement(
                name,
                format=format,
                error=question.error,
                segments=question.segments,
                scheme=question.scheme.order,
                fma=question.scheme.fma,
                flush=question.scheme.flush,
                coefficients=question.scheme.coefficients,
                constraints=question.scheme.form,
                progress=progress,
                time_limit=question.time_limit,
            )
        except NoKernel as problem:
            return Row(name, format, formula, reason=" ".join(str(problem).split()))
        before = None
        save(found, file)
    seconds = before.seconds if before is not None else process_time() - began
    for language in languages:
        write(export(found, language, name=called), folder / f"{called}{SUFFIXES[language]}")
    row = _described(found, name, seconds)
    if before is not None and before.certificate == row.certificate and (before.pytorch_ulp is not None or not others):
        return replace(row, **{key: value for key, value in asdict(before).items() if key in _MEASURED})
    return _beside(row, others)


def _formula(name: str) -> str:
    gate = gates.find(name)
    return parse(f"{name}(x)").text if gate is None else gate.expression


def _kept(file: Path, format: str, formula: str, question: Question) -> Implementation | None:
    """The implementation of an earlier call, if it answers this question."""
    if not file.exists():
        return None
    found = load(file)
    same = isinstance(found, Implementation) and (
        (found.kernel.format, found.expression, found.wanted, found.segments, found.kernel.scheme)
        == (format, formula, question.error, question.segments, question.scheme)
    )
    return found if same else None  # type: ignore[return-value]


def _described(found: Implementation, name: str, seconds: float | None) -> Row:
    facts = found.facts
    tried = facts if isinstance(facts, TriedFacts) else None
    return Row(
        name,
        found.kernel.format,
        found.expression,
        ulp=float(facts.ulp),
        worst=facts.worst,
        inputs=facts.inputs,
        correct=None if tried is None else tried.correct,
        turns=None if tried is None else tried.turns,
        operations=found.operations,
        longest=found.longest,
        pieces=len(found.kernel.pieces),
        seconds=None if seconds is None else round(seconds, 1),
        textbook_operations=textbook_operations(parse(found.expression)),
        certificate=document(found)["hash"],
    )


def _beside(row: Row, others: Outputs | None) -> Row:
    """The row with the errors of the textbook's formula, and of the others' function."""
    x, target = compared_numbers(row.format), parse(row.formula)
    known = enclosed(target, row.format, x)
    naive = compared(textbook_outputs(target, row.format, x), known)
    theirs = others(row.formula, row.format, x) if others is not None else None
    return replace(
        row,
        **_named("textbook", naive),
        **({} if theirs is None else _named("pytorch", compared(theirs, known))),
    )


def _named(who: str, found: Compared) -> dict[str, Any]:
    return {f"{who}_ulp": found.ulp, f"{who}_at": found.at, f"{who}_beyond": found.beyond}


# -- tables ----------------------------------------------------------------------------------------------------------

_MEASURED = [f"{who}_{what}" for who in ("textbook", "pytorch") for what in Compared._fields]
_NUMBERS = [field.name for field in fields(Row) if "float" in str(field.type)]


def _rows(file: Path) -> list[Row]:
    """The rows of an earlier call; none where the file is missing or of another version."""
    try:
        entries = json.loads(file.read_text(encoding="ascii"))
        return [Row(**{key: _read(key, value) for key, value in entry.items()}) for entry in entries]
    except (OSError, ValueError, TypeError):
        return []


def _read(key: str, value: Any) -> Any:
    return inf if key in _NUMBERS and value == "inf" else value


def _write_tables(folder: Path, rows: list[Row]) -> None:
    entries = [
        {key: "inf" if isinstance(value, float) and isinf(value) else value for key, value in asdict(row).items()}
        for row in rows
    ]
    write(json.dumps(entries, indent=1) + "\n", folder / "gates.json")
    text = io.StringIO()
    writer = csv.DictWriter(text, list(entries[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(entries)
    write(text.getvalue(), folder / "gates.csv")
    write(_README + table(rows) + "\n", folder / "README.md")


NOTES = """*Ulp, proved*: the largest error of the code, over every number of the format, in units in the last place.
*Not nearest*: at how many inputs at most the output is not the number of the format that is nearest to the value.
*Turns*: at how many inputs at most it moves against the direction of the function. *Operations*: of all pieces
together, a division counted as four, and of the longest piece alone. *Seconds*: of processor time, for search and
proof. *Textbook*: the largest error of the formula, each operation and each library function correctly rounded to the
format, and in brackets the share of inputs beyond 1 ulp. *PyTorch*: the same of its own function on a CPU. Both are
measured at every number of a 16-bit format, and at 130,554 of float32. An empty cell: not known, or PyTorch has no
such function.
"""
"""What the columns of a table mean."""
_README = f"# Gates\n\n{NOTES}\n`rational-approx verify GATE_FORMAT.json` checks a certificate.\n\n"
_HEAD = (
    "| gate | format | ulp, proved | not nearest | turns | operations (longest) | pieces | seconds "
    "| textbook: operations | textbook, ulp | PyTorch, ulp |\n|" + "---|" * 11
)


def table(rows: Iterable[Row]) -> str:
    """The rows as a table of Markdown."""
    return "\n".join([_HEAD, *map(_line, rows)])


def _line(row: Row) -> str:
    if row.reason:
        return f"| {row.gate} | {row.format} | none: {row.reason.replace('|', '/')} |" + " |" * 8
    missed = "" if row.correct is None or not row.inputs else str(row.inputs - row.correct)
    cells = [
        *(row.gate, row.format, f"{row.ulp:.6f}", missed, "" if row.turns is None else str(row.turns)),
        *(f"{row.operations} ({row.longest})", str(row.pieces), "" if row.seconds is None else f"{row.seconds:.1f}"),
        row.textbook_operations,
        _error(row.textbook_ulp, row.textbook_at, row.textbook_beyond),
        _error(row.pytorch_ulp, row.pytorch_at, row.pytorch_beyond),
    ]
    return f"| {' | '.join(cells)} |"


def _error(ulp: float | None, at: float | None, beyond: float | None) -> str:
    if ulp is None or at is None or beyond is None:
        return ""
    share = f" ({100 * beyond:.2g} %)" if beyond else ""
    size = "no number" if isinf(ulp) else f"{ulp:.3g}"
    return f"{size} at {at:.4g}{share}" if ulp > 1e-6 else "0"
