"""The commands `round` and `export`: coefficients in a format, and source code with the bounds proved of it."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from rational_approx.commands.console import NewFile, claim, formats_of, number, refusing, shown_count, shown_progress
from rational_approx.composition.composite import Composite
from rational_approx.files import write
from rational_approx.fitting.result import Fit
from rational_approx.kernels.counted import Counted
from rational_approx.kernels.implement import Implementation
from rational_approx.programs.rounding_errors import evaluation_error
from rational_approx.proof.certificate import Certificate, target_of
from rational_approx.proof.prover import certify
from rational_approx.rationals.rational import Rational
from rational_approx.rationals.saturation import Saturated
from rational_approx.rounding.exhaustive import exhaustive_error
from rational_approx.shipping.bundle import bundle
from rational_approx.shipping.source_code import export
from rational_approx.shipping.storage import load, save
from rational_approx.watch import report, watched

__all__ = ["export_command", "round_command", "verifier_command"]


@click.command("round")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format", "format_", required=True, help="float32, bfloat16, float16, float64; or P=float32,Q=bfloat16."
)
@click.option("--basis", help="chebyshev or monomial; without it the better one.")
@click.option("--claim", "claims", multiple=True, help="A further fact to prove; see certify.")
@click.option("--out", type=NewFile(), help="JSON file for the certificate.")
@refusing()
def round_command(file: Path, format_: str, basis: str | None, claims: tuple[str, ...], out: Path | None) -> None:
    """Round the coefficients of the fit in FILE to a format, near-best, and prove the error they have then.

    Exit code 1 unless it is proved.
    """
    value = load(file)
    if not isinstance(value, Fit):
        raise ValueError(f"{file} holds a {type(value).__name__}: near-best rounding starts from a fit, save that")
    with shown_progress(None) as listener, watched(listener, None):
        short = value.rounded(formats_of(format_), basis)
        report("the error is proved", short.type)
        found = certify(short, value.target, claims=[claim(words) for words in claims], against=value)
    click.echo(found)
    if found.upper is not None:
        click.echo(f"  {float(found.upper) / float(value.error):.6g} times the error before rounding")
    if out is not None:
        click.echo(f"wrote {save(found, out)}")
    if found.status != "proved":
        raise click.exceptions.Exit(1)


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--language",
    required=True,
    help="c, numpy, pytorch, jax, triton; of an implementation cuda, rust, systemverilog; of a composite lattigo, "
    "openfhe, heir.",
)
@click.option("--scheme", help="horner, estrin or clenshaw (Chebyshev basis).")
@click.option("--dtype", default="float32", show_default=True, help="The type that calculates: float32 or float64.")
@click.option("--fma", is_flag=True, help="Multiply and add in one operation (c, triton).")
@click.option("--clamp", is_flag=True, help="Move inputs beyond the domain to its ends.")
@click.option("--left", help="Below the domain: constant, linear (the tangent), a VALUE, or 'VALUE SLOPE'.")
@click.option("--right", help="The same above the domain.")
@click.option("--name", default="rational", show_default=True, help="The function's name.")
@click.option("--exhaustive", metavar="FORMAT", help="Run it at every number of float16, bfloat16 or float32 as well.")
@click.option("--out", type=NewFile(), help="File for the code; without it the code is printed.")
@refusing()
def export_command(
    file: Path,
    language: str,
    scheme: str | None,
    dtype: str,
    fma: bool,
    clamp: bool,
    left: str | None,
    right: str | None,
    name: str,
    exhaustive: str | None,
    out: Path | None,
) -> None:
    """Write source code for the rational or the implementation in FILE, with the proved bounds in its comment.

    A certificate gives the bound of code and approximation together; of a fit only the rounding error is stated.
    """
    value = load(file)
    certificate = value if isinstance(value, Certificate) else None
    rational = value.rational if isinstance(value, Fit | Certificate) else value
    if exhaustive is not None:
        if isinstance(value, Implementation | Counted):
            raise ValueError(f"{file} holds code that is proved at every number already: leave --exhaustive out")
        if isinstance(value, Composite):
            raise ValueError(f"{file} holds coefficients, and no code to run: leave --exhaustive out")
        if fma:
            raise ValueError("--exhaustive runs the operations in NumPy, which has no fused multiply-add")
        if isinstance(value, Rational | Saturated):
            kind = "saturated rational" if isinstance(value, Saturated) else "rational alone"
            raise ValueError(f"{file} holds a {kind}, without its target: --exhaustive needs a certificate")
    if left or right:
        rational = _continued(rational, left, right, clamp)
    with shown_progress(None) as listener, watched(listener, None):
        report("code is written, and its rounding errors are bounded", (0, 0))
        code = export(
            rational, language, certificate=certificate, scheme=scheme, dtype=dtype, fma=fma, clamp=clamp, name=name
        )
    if out is not None:
        click.echo(f"wrote {write(code, out)}")
    else:
        click.echo(code, nl=False)
    if exhaustive is not None and isinstance(value, Fit | Certificate):
        target = value.target if isinstance(value, Fit) else target_of(value)
        _try_all(value, target, exhaustive, scheme, dtype, out is None)


def _continued(rational: Any, left: str | None, right: str | None, clamp: bool) -> Saturated[Rational]:
    """The rational with what is asked for beyond its ends; a side that is not named stays constant."""
    if not isinstance(rational, Rational) or clamp:
        raise ValueError("--left and --right belong to a fit or a rational without --clamp, which has both constant")
    sides = [
        tuple(map(number, words.split())) if words[:1] in "+-.0123456789" else words
        for words in (left or "constant", right or "constant")
    ]
    return rational.saturated(*(side[0] if isinstance(side, tuple) and len(side) == 1 else side for side in sides))


def _try_all(value: Any, target: Any, format_: str, scheme: str | None, dtype: str, err: bool) -> None:
    with shown_count(f"every number of {format_}") as listener:
        found = exhaustive_error(value.rational, target, format_, scheme, dtype, progress=listener)
    click.echo(
        f"at all {found.inputs} inputs in {format_}: error <= {found.error:.6g}, reached at {found.worst!r}", err=err
    )
    if isinstance(value, Certificate) and value.status == "proved":
        weighted = evaluation_error(value.rational, scheme, dtype, weight=value.weight)
        total: Fraction = value.upper + weighted.bound  # type: ignore[operator]
        click.echo(f"proved at every number of {dtype} in the domain: error <= {float(total):.6g}", err=err)


@click.command("verifier")
@click.option("--out", type=NewFile(), required=True, help="File, for example verify.pyz.")
@refusing()
def verifier_command(out: Path) -> None:
    """Write the independent verifier as one file: python verify.pyz proof.json, with Python 3.11 and nothing else."""
    click.echo(f"wrote {bundle(out)}")
