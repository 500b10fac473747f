"""The verifier: what was counted when code for float32 was run at every number.

The code itself is checked as any other is, and so is the second code that told right from wrong: that its result, which
is not rounded, is near to f(x). The counts themselves come from running both, which is not repeated here: they are
looked at for what contradicts the proofs. Standard library only.
"""

from collections.abc import Iterator
from fractions import Fraction
from math import copysign, inf
from typing import Any

from .enclosed import Enclosed
from .kernel import PLAIN, SCHEMAS, To_check, normal
from .reading import line, must, number, shown
from .tried import Tried

__all__ = ["SCHEMA", "Counted"]

SCHEMA = "rational-approx/counted/1"
KEYS = {"schema", "implementation", "reference", "counts", "by", "status", "hash"}
PARTS = {"inner", "functions", "pieces", "cuts"}
WHOLE = ("inputs", "correct", "faithful", "turns", "singly", "open")
REAL = ("ulp", "worst", "lowest", "highest")
ROUNDING = Fraction(1, 10**5)
"""A stated count of an error may be above the proof by so much, and by twice what the second code is off."""


class Reference(Enclosed):
    """Code whose result stays in the wider format, where large results stand for what is too large."""

    def last(self, judge: Any) -> Fraction:
        """Nothing is rounded in the end."""
        return Fraction(0)

    def rounded(self, values: Any) -> list[float]:
        """The results as they are."""
        return [copysign(inf, v) if abs(v) >= 2.0**self.top else v for v in values]

    def statements(self) -> Iterator[To_check]:
        """That it is near to the target."""
        words = f"a second code, not rounded, is within {float(self.ulp):g} units in the last place of f(x)"
        how = "Taylor models on boxes of inputs, formulas node by node, rounding errors step by step"
        yield f"{words}, at every input", how, self.near


class Counted:
    """The statements of the code, of the second one, and what must hold of counts."""

    def __init__(self, content: dict[str, Any], case: Tried | Enclosed, deadline: float) -> None:
        must(set(content) == KEYS, "the file has other keys than it should")
        given, counts = content["reference"], content["counts"]
        must(set(given) == PARTS | {"within"}, "the second code has other keys than it should")
        must(set(counts) == {*WHOLE, *REAL}, "the counts have other keys than they should")
        line(content["by"])
        must(given["inner"] == "float64", "the second code calculates in no wider format")
        must(case.format == "float32", "every number is counted of float32 alone")
        self.case, self.counts, self.by = case, counts, content["by"]
        inside = normal(content["implementation"])
        facts = {"inputs": case.count(), "ulp": given["within"], "worst": "0", "at": ["0"] * 4}
        facts |= {"lowest": "-inf", "highest": "inf"}
        more = {"facts": facts, "wanted": given["within"], "schema": SCHEMAS[0], "scheme": PLAIN}
        self.reference = Reference(inside | {name: given[name] for name in PARTS} | more, deadline)

    @property
    def unchecked(self) -> tuple[str, ...]:
        """What rests on a run that is not repeated here."""
        run = f"the counts, which come from running the code at every number by {shown(self.by)}"
        return (*self.case.unchecked, f"{run}: `rational-approx verify --every-input` counts again")

    def heading(self) -> list[str]:
        """What the statements are about."""
        return self.case.heading()

    def statements(self) -> Iterator[To_check]:
        """Every statement of the file."""
        yield from self.case.statements()
        yield from self.reference.statements()
        counts = self.counts
        words = f"of {counts['inputs']} outputs {counts['correct']} are the nearest number, {counts['faithful']} one of"
        words += f" the two next; {counts['turns']} turn; the error is at most {float(number(counts['ulp'])):.6f}"
        yield f"nothing proved speaks against the counts: {words}", "comparison", self.plausible

    def plausible(self) -> None:
        """That the counts do not contradict each other or the proofs."""
        counts, facts = self.counts, self.case.content["facts"]
        whole = [counts[name] for name in WHOLE]
        must(all(type(each) is int and each >= 0 for each in whole), "a count is no integer")
        must(counts["correct"] <= counts["faithful"] <= counts["inputs"] <= self.case.count(), "a count is too large")
        must(counts["turns"] <= counts["inputs"] and counts["singly"] + counts["open"] <= counts["inputs"], "too many")
        ulp, room = number(counts["ulp"]), 2 * self.reference.ulp + ROUNDING
        must(0 <= ulp <= number(facts["ulp"]) + room, "the error that was found is larger than the proved one")
        must(ulp >= 1 or counts["faithful"] == counts["inputs"] or counts["open"], "an error below 1 is faithful")
        low, high = (number(counts[name], True) for name in ("lowest", "highest"))
        bounds = [number(facts[name], True) for name in ("lowest", "highest")]
        must(bounds[0] <= low <= high <= bounds[1], "the outputs leave the proved range")
