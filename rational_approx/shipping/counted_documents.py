"""The JSON document of what was counted at every number: the implementation's own document, the reference and its
share, and the counts."""

from dataclasses import asdict, replace
from fractions import Fraction
from typing import Any

from rational_approx.kernels.counted import Counted, Counts
from rational_approx.kernels.implement import Implementation
from rational_approx.kernels.reference import Close, Reference
from rational_approx.shipping.kernel_documents import implementation_text, read_implementation
from rational_approx.shipping.texts import line, number_text, read_number

__all__ = ["counted_text", "read_counted"]

WHOLE = ("inputs", "correct", "faithful", "turns", "singly", "open")
REAL = ("ulp", "worst", "lowest", "highest")
PARTS = ("inner", "functions", "pieces", "cuts")


def counted_text(value: Counted, inside: dict[str, Any]) -> dict[str, Any]:
    """The content of the document, without schema and hash; ``inside`` is the implementation's own document."""
    counts = asdict(value.counts)
    other = implementation_text(replace(value.implementation, kernel=value.reference.kernel))
    exact = {name: counts[name] if isinstance(counts[name], Fraction) else _float(counts[name]) for name in REAL}
    return {
        "implementation": inside,
        "reference": {name: other[name] for name in PARTS} | {"within": number_text(value.reference.within)},
        "counts": {name: counts[name] for name in WHOLE} | {name: number_text(exact[name]) for name in REAL},
        "by": value.by,
        "status": "proved",
    }


def read_counted(content: dict[str, Any], implementation: Implementation) -> Counted:
    """What a document says was counted of an implementation; ValueError where it makes no sense."""
    given, counts = content["reference"], content["counts"]
    code = read_implementation(content["implementation"] | {name: given[name] for name in PARTS}).kernel
    reference = Reference(code.format, code.inner, code.pieces, code.functions)
    whole = {name: int(counts[name]) for name in WHOLE}
    real = {name: float(read_number(counts[name], infinite=True)) for name in REAL[1:]}
    found = Counts(ulp=read_number(counts["ulp"]), **whole, **real)  # type: ignore[arg-type]
    close = Close(reference, read_number(given["within"]))
    return Counted(implementation, close, found, line(content["by"]))


def _float(value: float) -> Any:
    return value if value in (float("inf"), float("-inf")) else Fraction(value)
