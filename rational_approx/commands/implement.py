"""The command `implement`: from a function's name to code for every number of a format, with its certificate."""

from pathlib import Path
from typing import Any

import click

from rational_approx.commands.console import (
    NewFile,
    formats_of,
    hand_over,
    refusing,
    shown_progress,
    shown_steps,
    side_of,
)
from rational_approx.commands.torch_outputs import torch_outputs
from rational_approx.kernels.coefficient_formats import coefficient_formats
from rational_approx.kernels.counted import Contradiction
from rational_approx.kernels.fixed_point import fixed_point
from rational_approx.kernels.implement import NoKernel, asked, asked_form, implement
from rational_approx.kernels.scheme import SCHEMES, Scheme
from rational_approx.shipping.datapath_code import DATAPATH_LANGUAGES
from rational_approx.shipping.every_input import try_every
from rational_approx.shipping.gate_library import ALL_GATES, GATE_FORMATS, Question, Row, gate_library
from rational_approx.shipping.kernel_code import KERNEL_LANGUAGES
from rational_approx.shipping.source_code import check_name, export

__all__ = ["implement_command"]

LANGUAGES = tuple(dict.fromkeys([*KERNEL_LANGUAGES, *DATAPATH_LANGUAGES]))


@click.command("implement")
@click.argument("function", required=False)
@click.option("--all-gates", is_flag=True, help="In place of FUNCTION: every gate, into the folder --out.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    default=("bfloat16",),
    show_default="bfloat16",
    help="bfloat16, float16, float32, float64 or fixed4.12; with --all-gates it may be repeated, so may --language.",
)
@click.option("--accumulate", help="The format of the operations: of float32 float64, or float32.")
@click.option("--ulp", default="1", show_default=True, help="The largest error, in units in the last place.")
@click.option(
    "--segments",
    type=int,
    help="At most so many pieces between the tails; by default 4, then 10; of fixed point 16.",
)
@click.option(
    "--scheme",
    "order",
    type=click.Choice(SCHEMES),
    default="horner",
    show_default=True,
    help="The order of polynomials, or rationals in barycentric form.",
)
@click.option("--fma", is_flag=True, help="A product and a sum are one operation, rounded once.")
@click.option("--flush", is_flag=True, help="Proved for machines that flush subnormal numbers to zero, too.")
@click.option(
    "--coefficients",
    help="A shorter format of all coefficients, such as bfloat16; float32,bfloat16: that of the first, and of all "
    "others; P=float32,bfloat16,Q=bfloat16: above and below the line.",
)
@click.option(
    "--constraints",
    nargs=2,
    metavar="P Q",
    help="The piece about zero: coefficients of powers of x, * for a free one, or a degree: '0,1,0,*,0,*' 0.",
)
@click.option(
    "--language",
    "languages",
    type=click.Choice(LANGUAGES),
    multiple=True,
    default=("c",),
    show_default="c",
)
@click.option(
    "--every-input", is_flag=True, help="Then run the C code at every number of float32, and count: some minutes."
)
@click.option("--name", help="The function's name; by default that of the gate and the format.")
@click.option("--time-limit", type=float, help="Seconds that the search may take, for each gate.")
@click.option("--out", type=NewFile(), help="File for the code; without it the code is printed. Or the folder.")
@click.option("--certificate", type=NewFile(), help="JSON file for the certificate; see verify.")
@refusing()
def implement_command(
    function: str | None,
    all_gates: bool,
    formats: tuple[str, ...],
    accumulate: str | None,
    ulp: str,
    segments: int | None,
    languages: tuple[str, ...],
    every_input: bool,
    name: str | None,
    time_limit: float | None,
    out: Path | None,
    certificate: Path | None,
    coefficients: str | None,
    constraints: tuple[str, str] | None,
    **scheme: Any,
) -> None:
    """Write code for FUNCTION, a gate such as gelu or an expression in x, at every number of a format.

    Its error is proved: for 16 bits and fixed point by trying every input, for float32 and float64 by intervals.
    fixed4.12 has 4 integer bits, the sign among them, and 12 fraction bits; its code is SystemVerilog, C or NumPy.
    With --all-gates the folder holds the code and the certificate of each gate, and tables of their errors beside those
    of the textbook's formula and, where torch is installed, of PyTorch. What the folder has already is kept.

    Exit code 1: no code within that error was found, or for one of the gates none; 2: refused.
    """
    short = coefficient_formats(formats_of(coefficients)) if coefficients else None
    form = asked_form([side_of(words) for words in constraints]) if constraints else None
    how = Scheme(**scheme, coefficients=short, form=form)
    if all_gates == (function is not None):
        raise ValueError("give either a FUNCTION, such as gelu, or --all-gates")
    for format in formats:
        own = KERNEL_LANGUAGES if fixed_point(format) is None else DATAPATH_LANGUAGES
        if not set(languages) <= set(own):
            raise ValueError(f"the languages of {format} are {', '.join(own)}, not {', '.join(languages)}")
    if all_gates:
        if out is None or accumulate or name or certificate or every_input:
            raise ValueError(
                "--all-gates takes --out FOLDER, and no --name, --accumulate, --every-input or --certificate"
            )
        if not set(formats) <= set(GATE_FORMATS):
            raise ValueError(f"--all-gates takes {', '.join(GATE_FORMATS)}, not {' and '.join(formats)}")
        wanted, segments = asked(formats[0], ulp, segments=segments)
        _all(out, formats, languages, Question(wanted, segments, time_limit, how))
        return
    if len(formats) > 1 or len(languages) > 1:
        raise ValueError("one FUNCTION takes one --format and one --language: --all-gates takes several")
    if every_input and formats[0] != "float32":
        raise ValueError(f"--every-input is for float32: of {formats[0]} every number is tried in any case, or none")
    if name is not None:
        check_name(name)
    with shown_progress(time_limit) as progress:
        try:
            found = implement(
                function,
                format=formats[0],
                error=ulp,
                accumulate=accumulate,
                segments=segments,
                scheme=how.order,
                fma=how.fma,
                flush=how.flush,
                coefficients=how.coefficients,
                constraints=how.form,
                progress=progress,
                time_limit=time_limit,
            )
            handed = try_every(found, progress=progress, time_limit=time_limit) if every_input else found
        except (NoKernel, Contradiction) as problem:
            raise click.ClickException(str(problem)) from None
    plain = found.name if found.name.isidentifier() and found.name != "x" else "function"
    code = export(handed, languages[0], name=name or f"{plain}_{formats[0]}".replace(".", "_"))
    hand_over(handed, code, out, certificate)


def _all(folder: Path, formats: tuple[str, ...], languages: tuple[str, ...], question: Question) -> None:
    """Every gate into a folder, a line for each as it is done."""
    rows: list[Row] = []
    with shown_steps([f"{name} {format}" for format in formats for name in ALL_GATES]) as (progress, done):
        for row in gate_library(folder, ALL_GATES, formats, languages, question, torch_outputs(), progress):
            rows.append(row)
            done(_line(row))
    missing = [row for row in rows if row.reason]
    click.echo(f"wrote {folder}: {len(rows) - len(missing)} of {len(rows)} gates; the table is {folder / 'README.md'}")
    if missing:
        raise click.exceptions.Exit(1)


def _line(row: Row) -> str:
    if row.reason:
        return f"{row.gate} {row.format}: none: {row.reason}"
    others = [("the textbook's formula", row.textbook_ulp), ("PyTorch", row.pytorch_ulp)]
    beside = "".join(f", {who} {error:.3g}" for who, error in others if error is not None)
    return f"{row.gate} {row.format}: {row.ulp:.6f} ulp, {row.operations} operations ({row.longest}){beside}"
