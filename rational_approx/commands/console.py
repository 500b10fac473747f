"""What the commands share: refusals in one sentence, numbers, claims and targets from text and files."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from time import monotonic
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from rational_approx.files import write
from rational_approx.fitting.result import DidNotConverge
from rational_approx.proof.certificate import Certificate
from rational_approx.shipping.storage import save
from rational_approx.watch import Listener, Progress

__all__ = [
    "NewFile",
    "claim",
    "conditions_of",
    "formats_of",
    "hand_over",
    "number",
    "proved_or_exit",
    "refusing",
    "shown_count",
    "shown_progress",
    "shown_steps",
    "side_of",
]

NOT_PROVED, LARGER_THAN_THE_FIT = 1, 4
"""Exit codes; 2 is a refusal and 3 what the verifier does not decide."""


class _Refused(click.ClickException):
    exit_code = 2


@contextmanager
def refusing() -> Iterator[None]:
    """Turn what the library refuses into one sentence on stderr and exit code 2."""
    try:
        yield
    except DidNotConverge as error:
        raise click.ClickException(" ".join(str(error).split())) from error
    except (ValueError, TypeError, ArithmeticError, ImportError, OSError) as error:
        raise _Refused(" ".join(str(error).split()) or type(error).__name__) from error


def number(text: str) -> Fraction:
    """An exact number from a decimal, a fraction, or a power such as ``2^-10``."""
    try:
        base, power, exponent = text.partition("^")
        if power and abs(int(exponent)) > 10_000:
            raise ValueError
        return Fraction(base) ** int(exponent) if power else Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{text!r} is not a number: give a decimal or a fraction such as 1/3") from None


def conditions_of(words: Sequence[str]) -> dict[Fraction, Fraction | None]:
    """Points and the values wanted there, from words such as ``0`` (None: that of the function) or ``8=1``."""
    found: dict[Fraction, Fraction | None] = {}
    for text in words:
        point, equals, value = text.partition("=")
        if number(point) in found:
            raise ValueError(f"--interpolate is given twice for the point {point}: one of them is enough")
        found[number(point)] = number(value) if equals else None
    return found


def side_of(text: str) -> int | list[Fraction | None]:
    """A degree such as ``7``, or coefficients such as ``0,1,0,*``, None for a free one."""
    if "," in text or "*" in text:
        return [None if word.strip() == "*" else number(word) for word in text.removesuffix(",").split(",")]
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is no degree: give an integer, or coefficients such as '0,1,0,*'") from None


def formats_of(text: str) -> str | list[str] | dict[str, str | list[str]]:
    """A format such as ``float32``, several by coefficient such as ``float32,bfloat16``, or either for each side:
    ``P=float32,bfloat16,Q=bfloat16``."""
    sides: dict[str, list[str]] = {}
    side = ""
    for word in text.split(","):
        before, equals, after = word.partition("=")
        side = before.strip() if equals else side
        sides.setdefault(side, []).append((after if equals else before).strip())
    found = {side: names[0] if len(names) == 1 else names for side, names in sides.items()}
    return found[""] if set(found) == {""} else dict(found)


def claim(text: str) -> tuple[str, ...]:
    """A claim from words such as ``range 0 1`` or ``monotone increasing``."""
    words = tuple(text.split())
    if not words:
        raise ValueError("a claim is empty: give words such as --claim 'range 0 1'")
    return words


def proved_or_exit(certificate: Certificate) -> None:
    """End with the exit code of a certificate: 0 only where it is proved, and the fit's own error with it."""
    if certificate.exceeds:
        raise click.exceptions.Exit(LARGER_THAN_THE_FIT)
    if certificate.status != "proved":
        raise click.exceptions.Exit(NOT_PROVED)


@contextmanager
def shown_progress(time_limit: float | None) -> Iterator[Listener | None]:
    """A listener that draws a bar on stderr, up to the time limit where there is one; None away from a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task, began = bar.add_task("fit", total=time_limit), monotonic()

        def listener(step: Progress) -> None:
            numbers = zip(("levelled", "largest"), (step.levelled, step.largest), strict=True)
            told = "".join(f", {name} {value:.3g}" for name, value in numbers if value is not None)
            kind = f"type {step.type}: " if any(step.type) else ""  # not every step is about a type
            bar.update(task, description=f"{kind}{step.stage}{told}", completed=monotonic() - began)

        yield listener


@contextmanager
def shown_count(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A listener that draws on stderr how many are done of how many; None away from a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Bar(console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def shown_steps(names: Sequence[str]) -> Iterator[tuple[Listener | None, Callable[[str], None]]]:
    """A listener, and what is to be called with a line to print as each of the named things is done.

    In a terminal a bar on stderr shows how many are done, and how far the next one is.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None, click.echo
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        left = list(names)
        task = bar.add_task(left[0], total=len(left))

        def listener(step: Progress) -> None:
            bar.update(task, description=f"{left[0] if left else ''}: {step.stage}", refresh=True)

        def done(line: str) -> None:
            click.echo(line)
            del left[:1]
            bar.update(task, advance=1, description=left[0] if left else "", refresh=True)

        yield listener, done


def hand_over(found: Any, code: str, out: Path | None, certificate: Path | None) -> None:
    """Say what was found, save it where a certificate is asked for, and write its code to a file or on stdout.

    On stdout the code stands alone: all words go to stderr then.
    """
    click.echo(found, err=out is None)
    if certificate is not None:
        click.echo(f"wrote {save(found, certificate)}", err=out is None)
    if out is None:
        click.echo(code, nl=False)
    else:
        click.echo(f"wrote {write(code, out)}")


class NewFile(click.Path):
    """A file to write; that its folder is missing is said before any work."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path."""
        path = Path(value)
        if not path.parent.is_dir():
            raise _Refused(f"the folder {path.parent} does not exist: make it first")
        return path
