"""`Certificate`: what was proved of a rational and a target, with the numbers and the points that show it."""

import html
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from rational_approx.arithmetic.domain import Domain, End
from rational_approx.rationals.rational import Rational
from rational_approx.targets.target import Target

__all__ = ["COMPETITORS", "Certificate", "Claim", "Part", "Point", "Reference", "target_of"]

COMPETITORS = ("one sign", "any sign")
"""The classes of competitors: Q keeps one sign on the whole domain, or one on each of its intervals."""


AGREED = Fraction(1, 10**8)
"""How much larger than a fit's own error, relatively, a proved one may be that counts as the same."""


class Point(NamedTuple):
    """A point of the domain, infinite for a limit at infinity; the piece says from which side it is approached."""

    piece: int
    x: End


class Part(NamedTuple):
    """A closed part of a piece on which the upper bound was proved."""

    piece: int
    lower: End
    upper: End


class Reference(NamedTuple):
    """Points at which the error of a rational alternates, by the theorem for competitors whose Q has certain signs.

    ``signs`` are the signs of the competitors' Q, one for each interval of the domain; ``sides`` those of the error at
    the points. ``rational`` is None for the rational that is certified.
    """

    signs: tuple[int, ...]
    points: tuple[Point, ...]
    sides: tuple[int, ...]
    rational: Rational | None = None


class Claim(NamedTuple):
    """A stated fact, what became of it (proved, refuted or undecided), and a point that shows a refutation."""

    name: str
    arguments: tuple[End | str, ...]
    status: str
    witness: Fraction | None = None


@dataclass(frozen=True)
class Certificate:
    """The outcome of `certify`.

    Attributes
    ----------
    status:
        ``proved``: the error is enclosed within the wanted gap, there is no pole, every claim holds. ``refuted``: there
        is a pole, or a claim is false, with a witness. ``undecided``: neither, ``reason`` says what was missing.
        ``sampled``: the target is an opaque callable; nothing about it can be proved.
    lower, upper:
        Exact bounds: ``lower <= sup abs(w (f - r)) <= upper``; None where there is none.
    best_lower:
        No rational of this type in the class of ``competitors`` has a smaller error (de la Vallée-Poussin); 0 where
        nothing is proved.
    competitors:
        ``"one sign"``: P/Q whose Q keeps one sign on the whole domain; ``"any sign"``: one on each of its intervals.
    pole_free:
        Whether the denominator provably has no zero on the domain; None where that is undecided.
    witness:
        A point at which the error is at least ``lower``, or at which the denominator vanishes.
    references:
        Points at which errors alternate strictly, each time by at least ``best_lower``: one `Reference` for every
        pattern of signs that a competitor's Q may have.
    parts:
        A covering of the domain, with the argument that proves ``upper`` on each part.
    samples:
        Triples ``(x, y, weight)`` of a target that is samples; everything about the error holds at them alone.
    levelled:
        The error that the certified fit states of itself; None of a rational, and of what was read from a file.
    """

    status: str
    lower: Fraction | None
    upper: Fraction | None
    best_lower: Fraction
    pole_free: bool | None
    rational: Rational
    domain: Domain
    target: str
    weight: str
    breakpoints: tuple[Fraction, ...] = ()
    claims: tuple[Claim, ...] = ()
    witness: Point | None = None
    references: tuple[Reference, ...] = ()
    parts: tuple[Part, ...] = field(default=(), repr=False)
    type: tuple[int, int] = (0, 0)
    reason: str = ""
    samples: tuple[tuple[Fraction, Fraction, Fraction], ...] = field(default=(), repr=False)
    competitors: str = "one sign"
    levelled: Fraction | None = field(default=None, repr=False, compare=False)

    @property
    def reference(self) -> tuple[Point, ...]:
        """The points of the first reference: those of the certified rational's own error."""
        return self.references[0].points if self.references else ()

    @property
    def gap(self) -> float:
        """``upper / lower - 1``; infinite where a bound is missing."""
        if self.lower is None or self.upper is None:
            return float("inf")
        if self.lower == self.upper:
            return 0.0
        return float(self.upper / self.lower - 1) if self.lower else float("inf")

    @property
    def exceeds(self) -> bool:
        """Whether the error is proved to be larger than the certified fit says: it is not the best approximation."""
        if self.levelled is None or self.lower is None or self.status == "sampled":
            return False
        return self.lower > self.levelled * (1 + AGREED)

    def _repr_html_(self) -> str:
        """What is proved, for notebooks."""
        return f"<pre>{html.escape(str(self))}</pre>"

    def __str__(self) -> str:
        def shown(value: Fraction | None) -> str:
            return "none" if value is None else f"{float(value):.12g}"

        where = " at the samples" if self.samples else ""
        plain = len(self.domain.intervals) == 1 and not self.samples
        against = "" if plain else f" (denominators of {self.competitors}{where})"
        weighted = "" if self.weight == "1" else f", weighted by {self.weight},"
        lines = [
            f"{self.status}: error of type {self.type} for {self.target}{weighted} on {self.domain}",
            f"  {shown(self.lower)} <= error <= {shown(self.upper)} (relative gap {self.gap:.1e})",
            f"  best possible of this type >= {shown(self.best_lower)}{against}",
            f"  pole-free: {'undecided' if self.pole_free is None else 'yes' if self.pole_free else 'no'}",
        ]
        if self.exceeds and self.lower is not None and self.levelled is not None:
            lines[0] = f"{self.status}, AND THE FIT IS REFUTED{lines[0].removeprefix(self.status)}"
            times = f" by a factor of {float(self.lower / self.levelled):.6g}" if self.levelled else ""
            lines.append(
                f"  ATTENTION: the proved error {shown(self.lower)} exceeds the levelled error {shown(self.levelled)} "
                f"of the fit{times}, at x = {float(self.witness.x) if self.witness else 0.0:.12g}: it has missed a "
                "part of the target, and is not the best of its type"
            )
        for claim in self.claims:
            words = [a if isinstance(a, str) else f"{float(a):.12g}" for a in claim.arguments]
            where = "" if claim.witness is None else f" at x = {float(claim.witness):.12g}"
            lines.append(f"  {' '.join([claim.name, *words])}: {claim.status}{where}")
        return "\n".join([*lines, f"  {self.reason}"] if self.reason else lines)


def target_of(certificate: Certificate) -> Target:
    """The target that a certificate is about; ValueError for a Python function, of which it holds only the name."""
    intervals = list(certificate.domain.intervals)
    if certificate.samples:
        x, y, weight = ([float(v) for v in column] for column in zip(*certificate.samples))
        return Target((x, y), intervals, weight=weight)
    if certificate.status == "sampled":
        raise ValueError(f"the target was the Python function {certificate.target}, of which the file holds the name")
    return Target(certificate.target, intervals, weight=certificate.weight, breakpoints=certificate.breakpoints)
