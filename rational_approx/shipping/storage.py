"""`save` and `load`: rationals, fits and certificates as JSON files. Nothing is ever executed or pickled."""

import json
import os
from pathlib import Path
from typing import Any

from rational_approx.composition.composite import Composite
from rational_approx.files import write
from rational_approx.fitting.result import Fit
from rational_approx.kernels.counted import Counted
from rational_approx.kernels.implement import Implementation
from rational_approx.proof.certificate import Certificate
from rational_approx.rationals.rational import Rational
from rational_approx.rationals.saturation import Saturated
from rational_approx.shipping.documents import document, from_document
from rational_approx.shipping.every_input import recounted
from rational_approx.verifier import Verification
from rational_approx.verifier import verify as verify_document

__all__ = ["load", "save", "verify"]

MAX_BYTES = 64 * 2**20


def save(value: Any, path: str | os.PathLike[str]) -> Path:
    """Write a rational (saturated or not), a fit, a certificate, code or a composition to a JSON file, in one step.

    Returns the path.

    Raises
    ------
    TypeError
        for any other value.
    ValueError
        for a fit whose target is a Python function.
    FileNotFoundError
        where the folder does not exist.
    """
    text = json.dumps(document(value), indent=1, ensure_ascii=True, allow_nan=False) + "\n"
    return write(text, path)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a key occurs twice")
    return out


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not allowed")


def load(
    path: str | os.PathLike[str],
) -> Rational | Saturated[Rational] | Fit | Certificate | Implementation | Counted | Composite:
    """Read what `save` wrote: a `Rational`, a `Saturated`, a `Fit`, a `Certificate`, an
    `Implementation`, a `Counted` or a `Composite`.

    Raises
    ------
    FileNotFoundError
        where there is no such file.
    ValueError
        where it is too large, not JSON, damaged, or of an unknown kind.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size} bytes; at most {MAX_BYTES} are read")
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"{path} is not a document of this package: {problem}") from None
    return from_document(content)


def verify(
    certificate: Certificate | Implementation | Counted | Composite | str | os.PathLike[str],
    *,
    seconds: float = 8.0,
    every_input: bool = False,
) -> Verification:
    """Check a certificate, an implementation or a composition, or its file, by :mod:`rational_approx.verifier` alone.

    The outcome is ``verified``, ``refuted`` or ``not decided``: the last also for what takes more than ``seconds``.
    Printed, it says what was checked, statement by statement. With ``every_input`` the code of a `Counted`, what
    :func:`try_every` returned, is compiled and run at every number once more, which takes minutes.

    Raises
    ------
    FileNotFoundError
        where there is no such file. Whatever is in it is an answer, not an exception.
    ValueError
        with ``every_input`` for a file of another kind.
    """
    known = isinstance(certificate, Certificate | Implementation | Counted | Composite)
    source = document(certificate) if known else Path(certificate)  # type: ignore[arg-type]
    found = verify_document(source, seconds)
    if not every_input or not found.ok:
        return found
    value = certificate if known else load(certificate)  # type: ignore[arg-type]
    if not isinstance(value, Counted):
        raise ValueError(f"every_input= is for what try_every returned or its file, not for a {type(value).__name__}")
    return recounted(value, found)
