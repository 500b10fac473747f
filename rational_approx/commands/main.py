"""The command line: `rational-approx fit`, `certify`, `verify`, `round`, `export`, `prove`, `show` and `plot`."""

import json
from fractions import Fraction
from pathlib import Path

import click
import mpmath
from rich.console import Console
from rich.table import Table

import rational_approx
from rational_approx import Certificate, Fit, Rational
from rational_approx.arithmetic.precision import working_precision
from rational_approx.commands.console import claim, conditions_of, folder_exists, number, refusing, say, target_of
from rational_approx.commands.prove import prove_command
from rational_approx.commands.ship import export_command, round_command, verifier_command
from rational_approx.fitting.error_curve import error_curve

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rational-sae")
def main() -> None:
    """Best rational approximations of functions, with proofs."""


@main.command()
@click.argument("function")
@click.option("--domain", type=(str, str), multiple=True, help="Lower and upper end; may be repeated for a union.")
@click.option("--degree", type=(int, int), help="Degrees of numerator and denominator.")
@click.option("--tolerance", type=float, help="In place of --degree: the cheapest type with at most this error.")
@click.option("--weight", help="An expression, or relative.")
@click.option("--breakpoint", "breakpoints", multiple=True, help="Where a jump is meant; may be repeated.")
@click.option(
    "--interpolate", "conditions", multiple=True, help="Point where r equals f, or POINT=VALUE for r; may be repeated."
)
@click.option("--bounds", type=(str, str), help="Lower and upper bound of the values of r; -inf or inf for none.")
@click.option(
    "--denominator",
    type=click.Choice(["one sign", "any"]),
    default="one sign",
    show_default=True,
    help="The sign of the denominator: one on the whole domain, or any on each interval of it.",
)
@click.option("--digits", type=click.IntRange(min=1), help="Correct digits of the error.")
@click.option(
    "--certify", "certified", is_flag=True, help="Prove the error (else exit code 1); --out then holds the certificate."
)
@click.option("--gap", help="Relative gap between the proved bounds, e.g. 1e-9.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file for the fit or the certificate.")
@click.option("--plot", "picture", type=click.Path(path_type=Path), help="Picture of the error curve (png, svg, pdf).")
def fit(
    function: str,
    domain: tuple[tuple[str, str], ...],
    degree: tuple[int, int] | None,
    tolerance: float | None,
    weight: str | None,
    breakpoints: tuple[str, ...],
    conditions: tuple[str, ...],
    bounds: tuple[str, str] | None,
    denominator: str,
    digits: int | None,
    certified: bool,
    gap: str | None,
    out: Path | None,
    picture: Path | None,
) -> None:
    """Fit FUNCTION, an expression in x such as "tanh(x)" or a gate such as gelu."""
    console = Console()
    with refusing():
        if (degree is None) == (tolerance is None):
            raise ValueError("give either --degree P Q or --tolerance E")
        if gap is not None and not certified:
            raise ValueError("--gap belongs to --certify")
        for path in (out, picture):
            if path is not None:
                folder_exists(path)
        best = rational_approx.fit(
            function,
            degree,
            list(domain) or None,
            weight=weight,
            breakpoints=[number(point) for point in breakpoints],
            interpolate=conditions_of(conditions),
            bounds=None if bounds is None else list(bounds),
            denominator=denominator,
            digits=digits,
            tolerance=tolerance,
        )
        result: Fit | Certificate = best
        say(console, best)
        if certified:
            result = rational_approx.certify(best, gap=None if gap is None else number(gap))
            say(console, result)
        if out is not None:
            console.print(f"wrote {rational_approx.save(result, out)}", soft_wrap=True, highlight=False)
        if picture is not None:
            best.plot(str(picture))
            console.print(f"wrote {picture}", soft_wrap=True, highlight=False)
        if isinstance(result, Certificate) and result.status != "proved":
            raise click.exceptions.Exit(1)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--gap", help="Relative gap between the proved bounds, e.g. 1e-9.")
@click.option(
    "--claim",
    "claims",
    multiple=True,
    help="A further fact to prove, e.g. 'range 0 1', 'monotone increasing', 'saturation 8 inf 1 1e-4', 'derivative'.",
)
@click.option("--out", type=click.Path(path_type=Path), help="JSON file for the certificate.")
def certify(file: Path, gap: str | None, claims: tuple[str, ...], out: Path | None) -> None:
    """Prove the error of the fit (or of the certificate's rational) in FILE; exit code 1 unless it is proved."""
    console = Console()
    with refusing():
        if out is not None:
            folder_exists(out)
        value = rational_approx.load(file)
        if isinstance(value, Rational):
            raise ValueError(f"{file} holds a rational alone, without its target: save the fit instead")
        wanted, stated = None if gap is None else number(gap), [claim(words) for words in claims]
        question = (value.rational, target_of(value, file)) if isinstance(value, Certificate) else (value,)
        again = rational_approx.certify(*question, claims=stated, gap=wanted)
        say(console, again)
        if out is not None:
            console.print(f"wrote {rational_approx.save(again, out)}", soft_wrap=True, highlight=False)
        if again.status != "proved":
            raise click.exceptions.Exit(1)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the outcome and every statement as JSON.")
@click.option("--seconds", type=click.FloatRange(min=0), default=8.0, show_default=True, help="What it may take.")
def verify(file: Path, as_json: bool, seconds: float) -> None:
    """Check the certificate in FILE with the independent verifier, and print every statement that it checked.

    Exit code 0: verified; 1: refuted; 3: not decided.
    """
    console = Console()
    with refusing():
        found = rational_approx.verify(file, seconds=seconds)
        say(console, json.dumps(found.to_json(), indent=1) if as_json else found)
        if not found.ok:
            raise click.exceptions.Exit(1 if found.outcome == "refuted" else 3)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--digits", type=click.IntRange(min=1), default=17, show_default=True, help="Digits of the coefficients.")
def show(file: Path, digits: int) -> None:
    """Print what FILE holds, with its coefficients."""
    console = Console()
    with refusing():
        value = rational_approx.load(file)
        if not isinstance(value, Rational):
            say(console, value)
            value = value.rational
        lower, upper = value.domain.lower, value.domain.upper
        basis = f"Chebyshev polynomials on [{lower}, {upper}]" if value.basis == "chebyshev" else "powers of x"
        console.print(f"coefficients: {basis}, {value.format}", soft_wrap=True, highlight=False)
        table = Table("k")
        table.add_column("numerator", justify="right")
        table.add_column("denominator", justify="right")
        for k in range(max(len(value.numerator), len(value.denominator))):
            table.add_row(str(k), _coefficient(value.numerator, k, digits), _coefficient(value.denominator, k, digits))
        console.print(table)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Picture (png, svg, pdf).")
def plot(file: Path, out: Path) -> None:
    """Draw the error curve of the fit or certificate in FILE."""
    console = Console()
    with refusing():
        value = rational_approx.load(file)
        if isinstance(value, Certificate):
            if value.lower is None:
                raise ValueError("this certificate holds no bound of an error, so there is no curve to draw")
            reference = sorted(point.x for point in value.reference)
            error_curve(target_of(value, file), value.rational, reference, float(value.lower), out)
        else:
            value.plot(str(out))
        console.print(f"wrote {out}", soft_wrap=True, highlight=False)


def _coefficient(coefficients: tuple[Fraction, ...], k: int, digits: int) -> str:
    if k >= len(coefficients):
        return ""
    with working_precision(digits + 5):
        value = mpmath.mpf(coefficients[k].numerator) / coefficients[k].denominator
        return str(mpmath.nstr(value, digits))


main.add_command(round_command)
main.add_command(export_command)
main.add_command(verifier_command)
main.add_command(prove_command)
