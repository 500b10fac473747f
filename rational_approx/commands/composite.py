"""The command `composite`: coefficients of polynomials near sign or ReLU for encrypted inference, with a proof."""

from pathlib import Path
from typing import Any

import click

from rational_approx.commands.console import NewFile, hand_over, number, refusing, shown_progress
from rational_approx.composition.front import composite_relu, composite_sign
from rational_approx.shipping.composite_code import COMPOSITE_LANGUAGES
from rational_approx.shipping.source_code import export

__all__ = ["composite_command"]


@click.command("composite")
@click.argument("function", type=click.Choice(["sign", "relu"]))
@click.option("--gap", help="Of sign: the smallest abs(x), such as 2^-10 or 0.001.")
@click.option("--depth", type=int, help="Levels: the least error within them; with --error the fewest multiplications.")
@click.option("--error", help="The largest error: in the fewest levels.")
@click.option("--degrees", help="In place of depth and error, of sign: the degrees of the polynomials, as 7,15,15.")
@click.option("--highest", type=int, default=31, show_default=True, help="The largest degree.")
@click.option("--noise", default="0", show_default=True, help="What the scheme may add to the value of every stage.")
@click.option("--decimals", type=int, help="Decimals of the coefficients.")
@click.option("--bits", type=int, help="In their place: binary digits after the point.")
@click.option("--language", type=click.Choice(list(COMPOSITE_LANGUAGES)), default="chebyshev", show_default=True)
@click.option("--name", default="stages", show_default=True, help="The name of the coefficients.")
@click.option("--time-limit", type=float, help="Seconds that the search may take.")
@click.option("--out", type=NewFile(), help="File for the coefficients; without it they are printed.")
@click.option("--certificate", type=NewFile(), help="JSON file for the certificate; see verify.")
@refusing()
def composite_command(
    function: str,
    gap: str | None,
    error: str | None,
    degrees: str | None,
    noise: str,
    language: str,
    name: str,
    out: Path | None,
    certificate: Path | None,
    **question: Any,
) -> None:
    """Write polynomials that are near FUNCTION, sign or relu, on [-1, 1] one after the other.

    They multiply and add alone, within a multiplicative depth, for encrypted inference. What is printed is proved of
    the coefficients as they are printed.

    Exit code 1: the error is not reached; 2: refused.
    """
    question |= {"error": None if error is None else number(error), "noise": number(noise)}
    if function == "relu" and (gap is not None or degrees is not None):
        raise ValueError("--gap and --degrees are of sign: relu has the gap that is best, and the degrees for it")
    if function == "sign":
        if gap is None:
            raise ValueError("give a --gap: sign(x) jumps at 0, and no polynomial is near it there")
        question["degrees"] = None if degrees is None else [_degree(word) for word in degrees.split(",")]
    with shown_progress(question["time_limit"]) as progress:
        if function == "sign":
            found = composite_sign(number(gap or ""), **question, progress=progress)
        else:
            found = composite_relu(**question, progress=progress)
    code = export(found, language, name=name)
    hand_over(found, code, out, certificate)


def _degree(word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise ValueError(f"{word!r} is no degree: give odd numbers such as 7,15,15") from None
