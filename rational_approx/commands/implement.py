"""The command `implement`: from a function's name to code for every number of a format, with its certificate."""

from pathlib import Path

import click

from rational_approx.commands.console import NewFile, refusing, shown_progress
from rational_approx.files import write
from rational_approx.kernels.fixed_point import fixed_point
from rational_approx.kernels.implement import NoKernel, implement
from rational_approx.shipping.datapath_code import DATAPATH_LANGUAGES
from rational_approx.shipping.kernel_code import KERNEL_LANGUAGES
from rational_approx.shipping.source_code import export
from rational_approx.shipping.storage import save

__all__ = ["implement_command"]

LANGUAGES = tuple(dict.fromkeys([*KERNEL_LANGUAGES, *DATAPATH_LANGUAGES]))


@click.command("implement")
@click.argument("function")
@click.option(
    "--format", "format_", default="bfloat16", show_default=True, help="bfloat16, float16, float32, or fixed4.12."
)
@click.option("--accumulate", help="The format of the operations; by default that of the proof.")
@click.option("--ulp", default="1", show_default=True, help="The largest error, in units in the last place.")
@click.option("--segments", type=int, help="At most so many pieces between the tails; by default 4, of fixed point 16.")
@click.option("--language", type=click.Choice(LANGUAGES), default="c", show_default=True)
@click.option("--name", help="The function's name; by default that of the gate and the format.")
@click.option("--time-limit", type=float, help="Seconds that the search may take.")
@click.option("--out", type=NewFile(), help="File for the code; without it the code is printed.")
@click.option("--certificate", type=NewFile(), help="JSON file for the certificate; see verify.")
@refusing()
def implement_command(
    function: str,
    format_: str,
    accumulate: str | None,
    ulp: str,
    segments: int | None,
    language: str,
    name: str | None,
    time_limit: float | None,
    out: Path | None,
    certificate: Path | None,
) -> None:
    """Write code for FUNCTION, a gate such as gelu or an expression in x, at every number of a format.

    Its error is proved: for bfloat16, float16 and fixed point by trying every input, for float32 by intervals.
    fixed4.12 has 4 integer bits, the sign among them, and 12 fraction bits; its code is SystemVerilog, C or NumPy.

    Exit code 1: no code within that error was found; 2: refused.
    """
    plain = function if function.isidentifier() and function != "x" else "function"
    name = name or f"{plain}_{format_}".replace(".", "_")
    own = KERNEL_LANGUAGES if fixed_point(format_) is None else DATAPATH_LANGUAGES
    if language not in own:
        raise ValueError(f"the languages of {format_} are {', '.join(own)}, not {language}")
    with shown_progress(time_limit) as progress:
        try:
            found = implement(
                function,
                format=format_,
                error=ulp,
                accumulate=accumulate,
                segments=segments,
                progress=progress,
                time_limit=time_limit,
            )
        except NoKernel as problem:
            raise click.ClickException(str(problem)) from None
    code = export(found, language, name=name)
    click.echo(found, err=out is None)
    if certificate is not None:
        click.echo(f"wrote {save(found, certificate)}", err=out is None)
    if out is None:
        click.echo(code, nl=False)
    else:
        click.echo(f"wrote {write(code, out)}")
