"""The command line: `rational-approx fit`, `certify`, `verify`, `round`, `export`, `implement`, `composite`, `prove`,
`show`."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
import mpmath
from rich.console import Console
from rich.table import Table

import rational_approx
from rational_approx import Certificate, Composite, Counted, Fit, Implementation, Rational
from rational_approx.arithmetic.precision import working_precision
from rational_approx.commands.composite import composite_command
from rational_approx.commands.console import (
    NewFile,
    claim,
    conditions_of,
    number,
    proved_or_exit,
    refusing,
    shown_progress,
    side_of,
)
from rational_approx.commands.implement import implement_command
from rational_approx.commands.prove import prove_command
from rational_approx.commands.ship import export_command, round_command, verifier_command
from rational_approx.fitting.error_curve import error_curve
from rational_approx.proof.certificate import target_of

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rational-sae")
def main() -> None:
    """Best rational approximations of functions, with proofs."""


@main.command()
@click.argument("function")
@click.option("--domain", type=(str, str), multiple=True, help="Lower and upper end; may be repeated for a union.")
@click.option(
    "--degree",
    type=(str, str),
    help="Degrees of numerator and denominator; or coefficients of powers of x, * for a free one: '0,1,0,*' 0.",
)
@click.option("--tolerance", type=float, help="In place of --degree: the cheapest type with at most this error.")
@click.option(
    "--cost",
    type=click.Choice(["operations", "depth"]),
    default="operations",
    show_default=True,
    help="What is counted with --tolerance: operations, or multiplicative depth and then multiplications.",
)
@click.option("--weight", help="An expression, or relative.")
@click.option("--breakpoint", "breakpoints", multiple=True, help="Where a jump is meant; may be repeated.")
@click.option(
    "--interpolate", "conditions", multiple=True, help="Point where r equals f, or POINT=VALUE for r; may be repeated."
)
@click.option("--bounds", type=(str, str), help="Lower and upper bound of the values of r; -inf or inf for none.")
@click.option("--monotone", type=click.Choice(["increasing", "decreasing"]), help="The best fit with such a slope.")
@click.option(
    "--denominator",
    type=click.Choice(["one sign", "any"]),
    default="one sign",
    show_default=True,
    help="The sign of the denominator: one on the whole domain, or any on each interval of it.",
)
@click.option("--digits", type=click.IntRange(min=1), help="Correct digits of the error.")
@click.option(
    "--certify", "certified", is_flag=True, help="Prove the error (see certify); --out then holds the certificate."
)
@click.option("--gap", help="Relative gap between the proved bounds, e.g. 1e-9.")
@click.option("--time-limit", type=float, help="Seconds that the search for the best may take.")
@click.option("--out", type=NewFile(), help="JSON file for the fit or the certificate.")
@click.option("--plot", "picture", type=NewFile(), help="Picture of the error curve (png, svg, pdf).")
@refusing()
def fit(certified: bool, gap: str | None, out: Path | None, picture: Path | None, **question: Any) -> None:
    """Fit FUNCTION, an expression in x such as "tanh(x)" or a gate such as gelu.

    Exit code 1: no best approximation was found, or with --certify its error was not proved; 2: refused; 4: with
    --certify, the proved error exceeds that of the fit.
    """
    if (question["degree"] is None) == (question["tolerance"] is None):
        raise ValueError("give either --degree P Q or --tolerance E")
    if gap is not None and not certified:
        raise ValueError("--gap belongs to --certify")
    best = _best(**question)
    result: Fit | Certificate = best
    click.echo(best)
    if certified:
        result = rational_approx.certify(best, gap=None if gap is None else number(gap))
        click.echo(result)
    if out is not None:
        click.echo(f"wrote {rational_approx.save(result, out)}")
    if picture is not None:
        best.plot(str(picture))
        click.echo(f"wrote {picture}")
    if isinstance(result, Certificate):
        proved_or_exit(result)


def _best(
    function: str,
    domain: tuple[tuple[str, str], ...],
    breakpoints: tuple[str, ...],
    conditions: tuple[str, ...],
    degree: tuple[str, str] | None,
    bounds: tuple[str, str] | None,
    monotone: str | None,
    **others: Any,
) -> Fit:
    if bounds is not None and monotone is not None:
        raise ValueError("give --bounds or --monotone, not both")
    with shown_progress(others["time_limit"]) as progress:
        return rational_approx.fit(
            function,
            None if degree is None else [side_of(words) for words in degree],
            domain=list(domain) or None,
            breakpoints=[number(point) for point in breakpoints],
            interpolate=conditions_of(conditions),
            bounds=monotone or bounds,
            progress=progress,
            **others,
        )


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--gap", help="Relative gap between the proved bounds, e.g. 1e-9.")
@click.option(
    "--claim",
    "claims",
    multiple=True,
    help="A further fact to prove, e.g. 'range 0 1', 'monotone increasing', 'saturation 8 inf 1 1e-4', 'derivative'.",
)
@click.option("--out", type=NewFile(), help="JSON file for the certificate.")
@refusing()
def certify(file: Path, gap: str | None, claims: tuple[str, ...], out: Path | None) -> None:
    """Prove the error of the fit (or of the certificate's rational) in FILE.

    Exit code 0: proved; 1: refuted or not decided; 2: refused; 4: the proved error exceeds the error that the fit says
    it has, so that it is not the best.
    """
    value = rational_approx.load(file)
    if not isinstance(value, Fit | Certificate):
        raise ValueError(f"{file} holds a {type(value).__name__}, not a fit or a certificate: save the fit instead")
    wanted, stated = None if gap is None else number(gap), [claim(words) for words in claims]
    question = (value.rational, target_of(value)) if isinstance(value, Certificate) else (value,)
    again = rational_approx.certify(*question, claims=stated, gap=wanted)
    click.echo(again)
    if out is not None:
        click.echo(f"wrote {rational_approx.save(again, out)}")
    proved_or_exit(again)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the outcome and every statement as JSON.")
@click.option("--seconds", type=click.FloatRange(min=0), default=8.0, show_default=True, help="What it may take.")
@click.option("--every-input", is_flag=True, help="Run counted code at every number of float32 again: minutes.")
@refusing()
def verify(file: Path, as_json: bool, seconds: float, every_input: bool) -> None:
    """Check the certificate in FILE with the independent verifier, and print every statement that it checked.

    Exit code 0: verified; 1: refuted; 3: not decided.
    """
    found = rational_approx.verify(file, seconds=seconds, every_input=every_input)
    click.echo(json.dumps(found.to_json(), indent=1) if as_json else found)
    if not found.ok:
        raise click.exceptions.Exit(1 if found.outcome == "refuted" else 3)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--digits", type=click.IntRange(min=1), default=17, show_default=True, help="Digits of the coefficients.")
@refusing()
def show(file: Path, digits: int) -> None:
    """Print what FILE holds, with its coefficients."""
    value = rational_approx.load(file)
    if not isinstance(value, Rational):
        click.echo(value)
    if isinstance(value, Implementation | Counted | Composite):
        return
    value = value if isinstance(value, Rational) else value.rational
    lower, upper = value.domain.lower, value.domain.upper
    basis = f"Chebyshev polynomials on [{lower}, {upper}]" if value.basis == "chebyshev" else "powers of x"
    click.echo(f"coefficients: {basis}, {value.format}")
    table = Table("k")
    table.add_column("numerator", justify="right")
    table.add_column("denominator", justify="right")
    for k in range(max(len(value.numerator), len(value.denominator))):
        table.add_row(str(k), _coefficient(value.numerator, k, digits), _coefficient(value.denominator, k, digits))
    Console().print(table)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=NewFile(), required=True, help="Picture (png, svg, pdf).")
@refusing()
def plot(file: Path, out: Path) -> None:
    """Draw the error curve of the fit or certificate in FILE."""
    value = rational_approx.load(file)
    if isinstance(value, Implementation | Counted | Composite):
        raise ValueError(f"{file} holds a {type(value).__name__}, and no error curve: fit the function for a picture")
    if isinstance(value, Certificate):
        if value.lower is None:
            raise ValueError("this certificate holds no bound of an error, so there is no curve to draw")
        reference = sorted(point.x for point in value.reference)
        error_curve(target_of(value), value.rational, reference, float(value.lower), out)
    else:
        value.plot(str(out))
    click.echo(f"wrote {out}")


def _coefficient(coefficients: tuple[Fraction, ...], k: int, digits: int) -> str:
    if k >= len(coefficients):
        return ""
    with working_precision(digits + 5):
        value = mpmath.mpf(coefficients[k].numerator) / coefficients[k].denominator
        return str(mpmath.nstr(value, digits))


main.add_command(round_command)
main.add_command(export_command)
main.add_command(verifier_command)
main.add_command(implement_command)
main.add_command(composite_command)
main.add_command(prove_command)
