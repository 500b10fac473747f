"""The theorem about the error, as Coq text: rational pieces by signs of polynomials, smooth ones by boxes."""

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count
from math import ceil, lcm
from typing import NamedTuple

import flint

from rational_approx.arithmetic.domain import End, finite
from rational_approx.arithmetic.polynomials import exact, fmpq
from rational_approx.coq.boxes import Box, bits_below, boxes, degree_for, size, taylor
from rational_approx.coq.branches import Branches, jumping
from rational_approx.coq.formulas import (
    OWN,
    hypothesis,
    integers,
    number,
    on_interval,
    quotient,
    rational_formula,
    real,
    region,
    theorem,
    unfolded,
)
from rational_approx.expressions.nodes import Node
from rational_approx.expressions.nodes import number as number_node
from rational_approx.expressions.quotients import quotient_of
from rational_approx.expressions.roots import inner_point
from rational_approx.targets.target import Target

__all__ = ["ErrorProof", "loosened"]

SLACK = 30
"""A bound of a smooth piece is loosened by at most ``2 ** -SLACK`` of itself: what the Taylor polynomials may take."""


def loosened(upper: Fraction) -> Fraction:
    """The bound that is stated where boxes prove it: above the given one, with 40 significant bits."""
    unit = Fraction(2) ** (upper.numerator.bit_length() - upper.denominator.bit_length() - SLACK - 8)
    return ceil(upper * (1 + Fraction(1, 2 ** (SLACK + 1))) / unit) * unit


class Part(NamedTuple):
    """The target and the weight on one piece, without branches."""

    interval: tuple[End, End]
    branches: Branches
    target: Node
    weight: Node

    @property
    def rational(self) -> bool:
        """Whether both are rational functions."""
        return quotient_of(self.target) is not None and quotient_of(self.weight) is not None

    @property
    def constant(self) -> Fraction | None:
        """The number that the weight is, None where it is none."""
        found = quotient_of(self.weight)
        if found is None or found[0].degree() > 0 or found[1].degree() > 0:
            return None
        return exact(found[0][0] / found[1][0])

    def by_signs(self, relation: str, bound: Fraction, region_text: str, at: str, known: str) -> list[str]:
        """Lines of a proof that a rational error is ``close`` to zero, or ``far`` from it: by signs of polynomials."""
        weight = self.weight if self.constant is None else number_node(self.constant)
        kind, formulas = ("unweighted", [self.target]) if self.constant == 1 else ("formula", [weight, self.target])
        return [
            f"  apply Rle_trans with {quotient(bound)}; {'[|lra]' if relation == 'close' else '[lra|]'}.",
            f"  refine ({kind}_{relation}_sound {' '.join(map(rational_formula, formulas))}",
            f"    P Q ({bound.numerator}) {bound.denominator} {region_text} {at} _ {known}).",
            "  compute_true.",
        ]


@dataclass
class ErrorProof:
    """Definitions and theorems about the error of a target, piece by piece.

    ``smooth`` says whether a piece needed CoqInterval, and with it a loosened bound; ``own`` are the functions that
    the file has to define.
    """

    target: Target
    top: flint.fmpq_poly
    bottom: flint.fmpq_poly
    upper: Fraction
    lines: list[str] = field(default_factory=list)
    own: dict[str, None] = field(default_factory=dict)
    smooth: bool = False
    stated: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        if self.target.relative_zeros:
            raise ValueError(
                "the weight is infinite where the target vanishes: the Coq file states errors with finite weights"
            )
        tree, weight = self.target.expression, self.target.weight_expression
        if tree is None or weight is None:
            raise ValueError("the target is a Python function, about which nothing is proved")
        self.tree, self.weight = tree.tree, weight.tree
        self.parts = [self._part(piece.lower, piece.upper) for piece in self.target.pieces]
        self.smooth = not all(part.rational for part in self.parts)
        self.stated = loosened(self.upper) if self.smooth else self.upper
        self._define()
        for k, part in enumerate(self.parts, 1):
            self._piece(k, part)
        if self.shared and len(self.parts) > 1:
            self._whole()

    def _part(self, lower: End, upper: End) -> Part:
        branches = Branches(lower, upper)
        return Part((lower, upper), branches, branches.full(self.tree), branches.full(self.weight))

    # -- definitions -------------------------------------------------------------------------------------------------

    @property
    def shared(self) -> bool:
        """Whether one formula says the target on the whole domain, at every point."""
        return not jumping(self.tree) and not jumping(self.weight)

    def name(self, letter: str, k: int) -> str:
        """The Coq name of the target or the weight on a piece, which are counted from 1."""
        return letter if self.shared else f"{letter}_{k}"

    def names(self, k: int) -> list[str]:
        """What the file defines for a piece: the target, and the weight where it is no number."""
        return [self.name("f", k)] + ([self.name("w", k)] if self.parts[k - 1].constant is None else [])

    def _define(self) -> None:
        for node in (self.tree, self.weight):
            self.own.update(dict.fromkeys(part.operator for part in node.walk() if part.operator in OWN))
        for k, part in enumerate(self.parts[:1] if self.shared else self.parts, 1):
            if not self.shared:
                where = hypothesis(*part.interval)
                self.lines += [f"(* The target where {where}; at both ends its limits from inside. *)"]
            self.lines += [
                f"Definition {name} (x : R) : R := {real(part.branches.partial(tree))}."
                for name, tree in zip(self.names(k), (self.tree, self.weight))
            ]
        self.lines.append("")

    def error_text(self, k: int) -> str:
        """The size of the weighted error at x, on a piece."""
        constant = self.parts[k - 1].constant
        plain = f"{self.name('f', k)} x - r x"
        if constant == 1:
            return f"Rabs ({plain})"
        return f"Rabs ({self.name('w', k) + ' x' if constant is None else number(constant)} * ({plain}))"

    # -- one piece ---------------------------------------------------------------------------------------------------

    def _piece(self, k: int, part: Part) -> None:
        branches, where = part.branches, region(*part.interval)
        for j, (a, b) in zip(count(1), dict.fromkeys(branches.orders)):
            self.lines += on_interval(
                f"order_{k}_{j}",
                part.interval,
                f"{real(a)} <= {real(b)}",
                f"  refine (ordered_sound {rational_formula(a)} {rational_formula(b)} {where} x _ GX).",
                "  compute_true.",
                kind="Lemma",
            )
        closing = part.by_signs("close", self.stated, where, "x", "GX") if part.rational else self._by_boxes(k, part)
        self.lines += on_interval(
            "error" if self.shared and len(self.parts) == 1 else f"error_{k}",
            part.interval,
            f"{self.error_text(k)} <= {number(self.stated)}",
            f"  unfold {', '.join(self.names(k))}.",
            *branches.steps,
            *closing,
        )

    def _by_boxes(self, k: int, part: Part) -> list[str]:
        f, w, constant, (lower, upper) = part.target, part.weight, part.constant, part.interval
        if not isinstance(lower, Fraction) or not isinstance(upper, Fraction):
            raise ValueError(
                "the error of a target that is no rational function can be proved in Coq on bounded intervals alone: "
                "certify it on a bounded domain, with a saturation claim for the rest"
            )
        unweighted = self.stated / abs(constant) if constant else self.stated
        most = self._most(lower, upper)
        # A quarter of what was added to the bound is for the Taylor polynomials; the rest leaves room above the peaks.
        share = unweighted / 2 ** (SLACK + 4)
        nodes, small = ([f], [share]) if constant is not None else ([Node("*", (w, f)), w], [share, share / most])
        degree = degree_for(min(small))
        made = boxes(nodes, lower, upper, small, degree)
        defined = {f"smooth_{k}": f} | ({f"weight_{k}": w} if constant is None else {})
        self.lines += [*(f"Definition {name} (x : R) : R := {real(node)}." for name, node in defined.items()), ""]
        what = f"smooth_{k} x - r x" if constant is not None else f"weight_{k} x * (smooth_{k} x - r x)"
        for j, box in enumerate(made, 1):
            self._box(f"{k}_{j}", list(defined), box, nodes, small, degree, most, what, unweighted)
        cases = [
            f"    destruct (Rle_or_lt x {number(box.upper)}) as [L{j}|L{j}]; [apply box_{k}_{j}; lra|]."
            for j, box in enumerate(made[:-1], 1)
        ]
        head = f"  assert (E : Rabs ({what}) <= {number(unweighted)})."
        proof = [head, "  {", *cases, f"    apply box_{k}_{len(made)}; lra.", "  }"]
        if constant is None or constant == 1:
            return [*proof, "  exact E."]
        sign = "Rabs_pos_eq" if constant >= 0 else "Rabs_left"
        return [*proof, f"  apply constant_weight with (1 := E); rewrite {sign} by lra; lra."]

    def _most(self, lower: Fraction, upper: Fraction) -> int:
        # A whole number that the rational stays below; Coq proves it on every box.
        points = [lower + (upper - lower) * Fraction(i, 64) for i in range(65)]
        return 2 * ceil(max(abs(exact(self.top(fmpq(x)) / self.bottom(fmpq(x)))) for x in points)) + 1

    def _box(
        self,
        name: str,
        defined: list[str],
        box: Box,
        nodes: list[Node],
        small: list[Fraction],
        degree: int,
        most: int,
        what: str,
        bound: Fraction,
    ) -> None:
        shared = lcm(box.middle.denominator, box.half.denominator)
        m, h = int(box.middle * shared), int(box.half * shared)
        values = [f"{function} (({m}) / {shared} + y)" for function in defined]
        if len(nodes) > 1:  # the product with the weight, and the weight
            values = [f"{values[1]} * {values[0]}", values[1]]
        polynomials, near = [], [f"{letter}_{name}" for letter, _ in zip("tu", nodes)]
        for own, node, distance, value in zip(near, nodes, small, values):
            coefficients, unit = taylor(node, box, degree, distance)
            bits = bits_below(distance) + size(node, box).bit_length() + 48
            polynomials.append(f"{own} {unit}")
            names = ", ".join(dict.fromkeys([*defined, *unfolded(node), own]))
            self.lines += [
                f"Definition {own} : list Z := {integers(coefficients)}.",
                *theorem(
                    f"near_{own}",
                    f"forall y : R, ({-h}) / {shared} <= y <= {h} / {shared} ->\n"
                    f"  Rabs ({value} - value {own} y / {unit}) <= {number(distance)}",
                    f"  intros y Y; unfold {names}; cbn [value].",
                    f"  interval with (i_prec {bits}, i_taylor y, i_degree {degree + 2}, i_bisect y, i_depth 5).",
                    kind="Lemma",
                ),
            ]
        sign = 1 if self.bottom(fmpq(Fraction(inner_point(box.middle - box.half, box.upper)))) > 0 else -1
        lemma, left = f"box_close_sound ({sign}) {' '.join(polynomials)}", bound - small[0] * len(nodes)
        total = f"{quotient(left)} + {number(small[0])}"
        if len(nodes) > 1:
            lemma, total = f"weighted_{lemma} {most}", f"{total} + {number(small[1])} * IZR {most}"
        given = " ".join([*reversed(defined), *map(number, small)])
        facts = " ".join(f"near_{own}" for own in near)
        self.lines += theorem(
            f"box_{name}",
            f"forall x : R, {hypothesis(box.middle - box.half, box.upper)} ->\n  Rabs ({what}) <= {number(bound)}",
            f"  intros x X; apply Rle_trans with ({total}); [|lra].",
            f"  refine ({lemma} ({m}) {h} {shared} P Q",
            f"    ({left.numerator}) {left.denominator} {given} x _ {facts} _); [compute_true|lra].",
            kind="Lemma",
        )

    # -- all pieces --------------------------------------------------------------------------------------------------

    def _whole(self) -> None:
        intervals, proof = self.target.domain.intervals, []
        domain = " \\/ ".join(hypothesis(*pair) for pair in intervals)
        domain = f"({domain})" if len(intervals) > 1 else domain
        for lower, upper in intervals:
            ends = {j: b for j, ((a, b), *_) in enumerate(self.parts, 1) if lower <= a and b <= upper}
            *others, last = ends
            lines = [
                f"destruct (Rle_or_lt x {number(finite(ends[j]))}) as [L{j}|L{j}]; [apply error_{j}; lra|]."
                for j in others
            ]
            lines.append(f"apply error_{last}; first [lra | trivial].")
            proof += [f"  {'- ' if i == 0 else '  '}{line}" for i, line in enumerate(lines)]
        self.lines += theorem(
            "error",
            f"forall x : R, {domain} ->\n  {self.error_text(1)} <= {number(self.stated)}",
            f"  intros x {'[X|' * (len(intervals) - 1)}X{']' * (len(intervals) - 1)}.",
            *proof,
        )
