"""Check a certificate file again, with the standard library only: ``python verify.py certificate.json``.

An independent implementation in ten files (``verify.py`` and ``verify_*.py``) that import nothing of the package but
each other, and run alone. They check the hash, that the parts cover the domain, the upper bound on every part, the
lower bound at the witness, the alternation at the reference, that the denominator has no zero, the exact value that
pins the coefficients, and every claim; of samples, the error at each. ``docs/certificate.md`` describes the format.
"""

import hashlib
import json
import sys
import time
from fractions import Fraction
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from . import jets as arithmetic
from . import branches
from . import claims as statements
from . import models
from . import polynomials
from . import rays
from . import reading
from . import zeros as shared

__all__ = ["Verification", "verify"]

SECONDS = 8.0
LARGEST = 8 * 2**20
SCHEMA = "rational-approx/certificate/1"
Failure, need = reading.Failure, reading.need


class Verification(NamedTuple):
    """Whether everything was confirmed, and one sentence for each thing that was not."""

    ok: bool
    failures: tuple[str, ...]


class Checker(statements.Stated):
    """One certificate of an expression, read; each method checks one statement or raises `Failure`."""

    def __init__(self, content: dict[str, Any], deadline: float) -> None:
        super().__init__(content, deadline)
        self.trees = reading.read(content["target"]["expression"]), reading.read(content["target"]["weight"])
        ends = [abs(end) for pair in self.domain for end in pair if abs(end) < inf]
        reach, small = max([Fraction(1), *ends]), min(Fraction(1), max(self.upper, Fraction(1, 2**200)))
        size = max(len(self.top), len(self.bottom))
        bits = 160 + 8 * size + size * int(reach).bit_length() + 2 * int(1 / small).bit_length()
        need(bits < 3000, "the certificate needs more precision than the verifier has")
        self.math = arithmetic.Arithmetic(bits, deadline)
        fine = arithmetic.Arithmetic(900, deadline)  # breakpoints that are no fractions are close to 2^-400
        order = min(40, max(10, 4 + int(1 / small).bit_length() // 6))  # Taylor coefficients of a model
        self.parts = [(piece, reading.number(a, True), reading.number(b, True)) for piece, a, b, _ in content["parts"]]
        self.near = list(self.pieces)
        """The bounded part of each piece, on which branches are decided."""
        for piece, a, b in self.parts:
            if inf in (b, -a):
                low, high = self.near[piece]
                self.near[piece] = (low, a) if b == inf else (b, high)
        self.plain: list[models.Curve] = []
        self.curves: dict[Any, models.Curve] = {}
        whole, below = ([self.math.exact(c) for c in side] for side in (self.top, self.bottom))
        for index, span in enumerate(self.near):
            trees = [branches.resolved(tree, span, fine) if span[0] < span[1] else tree for tree in self.trees]
            smooth, top, zeros = shared.without_zeros(self.math, trees, self.top, span)
            self.plain.append(models.Curve(self.math, trees, [whole, below], order))
            self.curves[index] = models.Curve(self.math, smooth, [[self.math.exact(c) for c in top], below], order)
            self.zeros.update(zeros)
        self.far = models.Curve(self.math, self.trees, [whole, below], order)
        for piece, a, b in self.parts:
            if inf in (b, -a):
                self.curves[piece, b if b == inf else a] = self.beyond(a, b)

    def beyond(self, lower: Any, upper: Any) -> models.Curve:
        """A curve in ``y = 1/x`` for a part that reaches infinity: the target there is a constant interval."""
        need(lower > 0 or upper < 0, "an unbounded part holds zero")
        bounds, m = [], self.math
        for tree in self.trees:
            inward = tree if upper == inf else rays.substituted(tree, ("neg", ("x",)))
            low, high = rays.bounds(m, inward, m.exact(lower if upper == inf else -upper))
            need(-inf < low and high < inf, "the target is not bounded on a half-line")
            bounds.append(("interval", (low, high)))
        size = max(len(self.top), len(self.bottom))
        flipped = [[(0, 0)] * (size - len(side)) + side[::-1] for side in self.far.sides]
        return models.Curve(m, bounds, flipped, self.far.order)

    def located(self, piece: Any, x: Any) -> tuple[models.Curve, Fraction]:
        """The curve and the coordinate on it of a point, which may be infinite."""
        if abs(x) == inf:
            return self.curves[piece, x], Fraction(0)
        inside = type(piece) is int and 0 <= piece < len(self.pieces)
        need(inside and self.pieces[piece][0] <= x <= self.pieces[piece][1], "a point lies outside its piece")
        return self.curves[piece] if self.near[piece][0] <= x <= self.near[piece][1] else self.far, x

    def covered(self) -> None:
        """That the parts cover every piece without a gap, and that the upper bound holds on each.

        An error of zero is not enclosed, but exact: the target is the rational itself.
        """
        if self.upper == 0:
            same = all(branches.identical(curve.trees[0], self.top, self.bottom) for curve in self.plain)
            need(same, "the target is not the rational itself")
            return
        chains: dict[int, list[Any]] = {index: [] for index in range(len(self.pieces))}
        for box in self.parts:
            chains[box[0]].append(box)
        for index, (start, end) in enumerate(self.pieces):
            chain = chains[index]
            need(
                chain and chain[0][1] == start and chain[-1][2] == end,
                f"the parts miss an end of piece {index}",
            )
            need(all(a[2] == b[1] for a, b in pairwise(chain)), f"the parts of piece {index} leave a gap or overlap")
        need(self.below(self.upper), "the upper bound is not confirmed")

    def below(self, stated: Fraction) -> bool:
        """Whether the error is at most a bound on every part, which may be halved for that."""
        bound = self.math.exact(stated)[0]
        for piece, start, end in self.parts:
            need(start < end, "a part is empty")
            curve, stack = self.curves[piece], [(start, end, 0)]
            if inf in (end, -start):
                curve = self.curves[piece, end if end == inf else start]
                ends = sorted((1 / x if abs(x) < inf else Fraction(0)) for x in (start, end))
                stack = [(ends[0], ends[1], 0)]
            while stack:
                a, b, depth = stack.pop()
                if not curve.below(a, b, bound):
                    need(depth < 30, f"a bound is not confirmed from {float(start):.6g} to {float(end):.6g}")
                    stack += [((a + b) / 2, b, depth + 1), (a, (a + b) / 2, depth + 1)]
        return True

    def slope_below(self, bound: Fraction) -> bool:
        """Whether the error of the derivative is at most a bound."""
        return bool(statements.slopes(self).below(bound))

    def attained(self, witness: Any, reference: list[Any]) -> None:
        """The lower bound at the witness, and the alternation at the reference."""
        places = self.alternating(reference)
        if self.lower or witness is not None:
            curve, at = self.located(witness[0], reading.number(witness[1], True))
            low, high = curve.at(at)[0]
            need(max(low, -high) >= self.math.exact(self.lower)[1], "the error at the witness is below the lower bound")
        for piece, x, sign in places:
            curve, at = self.located(piece, x)
            low, high = curve.at(at)[0]
            need(curve.weight(at)[0] > 0, "the weight at a reference point is not positive")
            large = low if sign == 1 else -high if sign == -1 else 0
            need(large >= max(1, self.math.exact(self.best)[1]), f"the error at {float(x):.6g} is not as stated")


MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError, RecursionError, MemoryError)


def verify(source: Any, seconds: float = SECONDS) -> Verification:
    """Check a certificate: the path of a JSON file, or the document as a dictionary. Never raises for what is in it.

    What could not be confirmed within ``seconds`` counts as a failure.

    Raises
    ------
    FileNotFoundError
        where there is no such file.
    """
    failures, deadline = [], time.monotonic() + seconds
    try:
        content = source if isinstance(source, dict) else read_file(Path(source))
        need(isinstance(content, dict) and content.get("schema") == SCHEMA, f"the schema is not {SCHEMA}")
        kept = {key: value for key, value in content.items() if key != "hash"}
        text = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
        need(
            content["hash"] == "sha256:" + hashlib.sha256(text.encode()).hexdigest(),
            "the hash does not fit the content",
        )
        kind = statements.Samples if "samples" in content["target"] else Checker
        checker = kind(content, deadline)
        steps: list[tuple[Any, ...]] = [
            (checker.pinned, content["value"]),
            (need, content["pole_free"] is True, "the certificate does not say that there is no pole"),
            (
                need,
                polynomials.pole_free(checker.bottom, checker.domain, deadline),
                "the denominator may vanish on the domain",
            ),
            (checker.attained, content["witness"], content["reference"]),
            *((checker.claim, claim["name"], claim["arguments"], claim["status"]) for claim in content["claims"]),
            (checker.covered,),
        ]
        for step, *arguments in steps:
            try:
                step(*arguments)
            except Failure as problem:
                failures.append(str(problem))
    except (Failure, reading.Late) as problem:
        failures.append(str(problem))
    except MALFORMED as problem:
        failures.append(f"the certificate is malformed: {type(problem).__name__}: {str(problem)[:100]}")
    return Verification(not failures, tuple(failures))


def read_file(path: Path) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len(dict(pairs)) == len(pairs), "a key occurs twice")
        return dict(pairs)

    def refused(name: str) -> Any:
        raise Failure(f"{name} is not a number")

    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    need(path.stat().st_size <= LARGEST, f"the file is larger than {LARGEST} bytes")
    return json.loads(path.read_bytes(), object_pairs_hook=unique, parse_constant=refused)


