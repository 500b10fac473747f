"""Fixed-point formats: integers in two's complement that stand for themselves times a power of two."""

import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

__all__ = ["MOST_BITS", "FixedPoint", "fixed_point", "width"]

MOST_BITS = 20
"""Every input is tried; of wider formats there are too many."""
SPELLED = re.compile(r"fixed(\d{1,3})\.(\d{1,3})", re.ASCII)
MEANT = re.compile(r"\s*(u?fixed|u?fix|u?q|ap_u?fixed|sfixed|ac_fixed)[\W_]*\d", re.IGNORECASE)
HELP = (
    "write fixedI.F, with I integer bits, the sign among them, and F fraction bits in two's complement: fixed4.12 is "
    "what others call Q4.12, Q3.12 or ap_fixed<16, 4>"
)


@dataclass(frozen=True)
class FixedPoint:
    """Codes of ``integer + fraction`` bits in two's complement; the code X stands for ``X 2**-fraction``.

    The sign is one of the integer bits.

    >>> FixedPoint(4, 12).bits, FixedPoint(4, 12).highest / 2**12
    (16, 7.999755859375)
    """

    integer: int
    fraction: int

    @property
    def name(self) -> str:
        return f"fixed{self.integer}.{self.fraction}"

    @property
    def bits(self) -> int:
        return self.integer + self.fraction

    @property
    def lowest(self) -> int:
        """The least code."""
        return -(1 << self.bits - 1)

    @property
    def highest(self) -> int:
        """The largest code."""
        return (1 << self.bits - 1) - 1

    @property
    def codes(self) -> np.ndarray:
        """Every code, ascending, as int64."""
        return np.arange(self.lowest, self.highest + 1, dtype=np.int64)

    def number(self, code: int) -> Fraction:
        """What a code stands for."""
        return Fraction(int(code), 1 << self.fraction)


def fixed_point(format: object) -> FixedPoint | None:
    """The fixed-point format of a name; None for a name that means none.

    Raises
    ------
    ValueError
        for one that is written in another way, has no bit for the sign, or has too many bits.

    >>> fixed_point("fixed4.12"), fixed_point("bfloat16")
    (FixedPoint(integer=4, fraction=12), None)
    """
    text = str(format)
    match = SPELLED.fullmatch(text)
    if match is None:
        if MEANT.match(text):
            raise ValueError(f"{text!r} is no fixed-point format: {HELP}")
        return None
    found = FixedPoint(int(match[1]), int(match[2]))
    if found.integer < 1:
        raise ValueError(f"{text!r} has no bit for the sign: {HELP}")
    if not 2 <= found.bits <= MOST_BITS:
        raise ValueError(
            f"{text!r} has {found.bits} bits, and code is proved by trying every input: take 2 to {MOST_BITS} bits"
        )
    return found


def width(lowest: int, highest: int) -> int:
    """The bits of two's complement that hold every integer between two.

    >>> width(0, 0), width(-128, 127), width(0, 128)
    (1, 8, 9)
    """
    return 1 + max(
        (-lowest - 1 if lowest < 0 else lowest).bit_length(), (-highest - 1 if highest < 0 else highest).bit_length()
    )
