"""The theorem about the error, as Coq text: rational pieces by signs of polynomials, smooth ones by boxes."""

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count
from math import ceil, lcm

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
    quotient,
    rational_formula,
    real,
    region,
    unfolded,
)
from rational_approx.expressions.nodes import Node
from rational_approx.expressions.nodes import number as number_node
from rational_approx.expressions.quotients import quotient_of
from rational_approx.expressions.roots import inner_point
from rational_approx.targets.target import Target

__all__ = ["ErrorProof", "inside", "loosened"]

SLACK = 30
"""A bound of a smooth piece is loosened by at most ``2 ** -SLACK`` of itself: what the Taylor polynomials may take."""


def loosened(upper: Fraction) -> Fraction:
    """The bound that is stated where boxes prove it: above the given one, with 40 significant bits."""
    unit = Fraction(2) ** (upper.numerator.bit_length() - upper.denominator.bit_length() - SLACK - 8)
    return ceil(upper * (1 + Fraction(1, 2 ** (SLACK + 1))) / unit) * unit


def inside(lower: End, upper: End, x: str = "x", given: str = "X") -> str:
    """A line of a proof: the point lies in the prelude's region."""
    return f"  assert (G{given} : inside {region(lower, upper)} {x}) by (cbn [inside]; first [lra | trivial])."


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
        self.pieces = [self._branches(piece.lower, piece.upper) for piece in self.target.pieces]
        self.smooth = any(quotient_of(f) is None or quotient_of(w) is None for _, f, w in self.pieces)
        self.stated = loosened(self.upper) if self.smooth else self.upper
        self._define()
        for k, (branches, f, w) in enumerate(self.pieces, 1):
            self._piece(k, branches, f, w)
        if self.shared and len(self.pieces) > 1:
            self._whole()

    def _branches(self, lower: End, upper: End) -> tuple[Branches, Node, Node]:
        branches = Branches(lower, upper)
        return branches, branches.full(self.tree), branches.full(self.weight)

    # -- definitions -------------------------------------------------------------------------------------------------

    @property
    def shared(self) -> bool:
        """Whether one formula says the target on the whole domain, at every point."""
        return not jumping(self.tree) and not jumping(self.weight)

    def name(self, letter: str, k: int) -> str:
        """The Coq name of the target or the weight on a piece, which are counted from 1."""
        return letter if self.shared else f"{letter}_{k}"

    def _define(self) -> None:
        for node in (self.tree, self.weight):
            self.own.update(dict.fromkeys(part.operator for part in node.walk() if part.operator in OWN))
        for k, (branches, _, _) in enumerate(self.pieces, 1):
            if self.shared and k > 1:
                break
            if not self.shared:
                where = hypothesis(branches.lower, branches.upper)
                self.lines += [f"(* The target where {where}; at both ends its limits from inside. *)"]
            self.lines.append(f"Definition {self.name('f', k)} (x : R) : R := {real(branches.partial(self.tree))}.")
            if self.constant(self.pieces[k - 1][2]) is None:
                w = real(branches.partial(self.weight))
                self.lines.append(f"Definition {self.name('w', k)} (x : R) : R := {w}.")
        self.lines.append("")

    @staticmethod
    def constant(weight: Node) -> Fraction | None:
        """The number that a weight is, None where it is none."""
        found = quotient_of(weight)
        if found is None or found[0].degree() > 0 or found[1].degree() > 0:
            return None
        return exact(found[0][0] / found[1][0])

    def error_text(self, k: int) -> str:
        """The size of the weighted error at x, on a piece."""
        constant = self.constant(self.pieces[k - 1][2])
        plain = f"{self.name('f', k)} x - r x"
        if constant == 1:
            return f"Rabs ({plain})"
        return f"Rabs ({self.name('w', k) + ' x' if constant is None else number(constant)} * ({plain}))"

    # -- one piece ---------------------------------------------------------------------------------------------------

    def _piece(self, k: int, branches: Branches, f: Node, w: Node) -> None:
        lower, upper = branches.lower, branches.upper
        for j, (a, b) in zip(count(1), dict.fromkeys(branches.orders)):
            self.lines += [
                f"Lemma order_{k}_{j} : forall x : R, {hypothesis(lower, upper)} -> {real(a)} <= {real(b)}.",
                "Proof.",
                "  intros x X.",
                inside(lower, upper),
                f"  refine (ordered_sound {rational_formula(a)} {rational_formula(b)} {region(lower, upper)} x _ GX).",
                "  compute_true.",
                "Qed.",
                "",
            ]
        rational = quotient_of(f) is not None and quotient_of(w) is not None
        closing = self._by_signs(branches, f, w) if rational else self._by_boxes(k, branches, f, w)
        constant = self.constant(w)
        names = [self.name("f", k)] + ([self.name("w", k)] if constant is None else [])
        name = "error" if self.shared and len(self.pieces) == 1 else f"error_{k}"
        self.lines += [
            f"Theorem {name} : forall x : R, {hypothesis(lower, upper)} ->",
            f"  {self.error_text(k)} <= {number(self.stated)}.",
            "Proof.",
            "  intros x X.",
            inside(lower, upper),
            f"  unfold {', '.join(names)}.",
            *branches.steps,
            *closing,
            "Qed.",
            "",
        ]

    def _by_signs(self, branches: Branches, f: Node, w: Node) -> list[str]:
        bound, constant = self.stated, self.constant(w)
        lemma = f"formula_close_sound {rational_formula(w if constant is None else number_node(constant))}"
        return [
            f"  apply Rle_trans with {quotient(bound)}; [|lra].",
            f"  refine ({'unweighted_close_sound' if constant == 1 else lemma} {rational_formula(f)}",
            f"    P Q ({bound.numerator}) {bound.denominator} {region(branches.lower, branches.upper)} x _ GX).",
            "  compute_true.",
        ]

    def _by_boxes(self, k: int, branches: Branches, f: Node, w: Node) -> list[str]:
        if not isinstance(branches.lower, Fraction) or not isinstance(branches.upper, Fraction):
            raise ValueError(
                "the error of a target that is no rational function can be proved in Coq on bounded intervals alone: "
                "certify it on a bounded domain, with a saturation claim for the rest"
            )
        constant = self.constant(w)
        lower, upper = finite(branches.lower), finite(branches.upper)
        unweighted = self.stated / abs(constant) if constant else self.stated
        most = self._most(lower, upper)
        # A quarter of what was added to the bound is for the Taylor polynomials; the rest leaves room above the peaks.
        share = unweighted / 2 ** (SLACK + 4)
        nodes, small = ([f], [share]) if constant is not None else ([Node("*", (w, f)), w], [share, share / most])
        degree = degree_for(min(small))
        made = boxes(nodes, lower, upper, small, degree)
        self.lines.append(f"Definition smooth_{k} (x : R) : R := {real(f)}.")
        if constant is None:
            self.lines.append(f"Definition weight_{k} (x : R) : R := {real(w)}.")
        left = unweighted - share - (share if constant is None else 0)
        what = f"smooth_{k} x - r x" if constant is not None else f"weight_{k} x * (smooth_{k} x - r x)"
        self.lines.append("")
        for j, box in enumerate(made, 1):
            self._box(f"{k}_{j}", k, box, nodes, small, degree, most, left, what, unweighted)
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
        k: int,
        box: Box,
        nodes: list[Node],
        small: list[Fraction],
        degree: int,
        most: int,
        left: Fraction,
        what: str,
        bound: Fraction,
    ) -> None:
        shared = lcm(box.middle.denominator, box.half.denominator)
        m, h = int(box.middle * shared), int(box.half * shared)
        at = f"(({m}) / {shared} + y)"
        weighted = len(nodes) > 1
        values = [f"weight_{k} {at} * smooth_{k} {at}", f"weight_{k} {at}"] if weighted else [f"smooth_{k} {at}"]
        polynomials = []
        for letter, node, near, value in zip("tu", nodes, small, values):
            coefficients, unit = taylor(node, box, degree, near)
            bits = bits_below(near) + size(node, box).bit_length() + 48
            polynomials.append(f"{letter}_{name} {unit}")
            names = ", ".join(
                dict.fromkeys(
                    [f"smooth_{k}", *([f"weight_{k}"] if weighted else []), *unfolded(node), f"{letter}_{name}"]
                )
            )
            self.lines += [
                f"Definition {letter}_{name} : list Z := {integers(coefficients)}.",
                f"Lemma near_{letter}_{name} : forall y : R, ({-h}) / {shared} <= y <= {h} / {shared} ->",
                f"  Rabs ({value} - value {letter}_{name} y / {unit}) <= {number(near)}.",
                "Proof.",
                f"  intros y Y; unfold {names}; cbn [value].",
                f"  interval with (i_prec {bits}, i_taylor y, i_degree {degree + 2}, i_bisect y, i_depth 5).",
                "Qed.",
            ]
        sign = 1 if self.bottom(fmpq(Fraction(inner_point(box.middle - box.half, box.upper)))) > 0 else -1
        if weighted:
            lemma = f"weighted_box_close_sound ({sign}) {' '.join(polynomials)} {most}"
            functions = f"weight_{k} smooth_{k} {number(small[0])} {number(small[1])}"
            facts = f"near_t_{name} near_u_{name}"
            total = f"({quotient(left)} + {number(small[0])} + {number(small[1])} * IZR {most})"
        else:
            lemma = f"box_close_sound ({sign}) {' '.join(polynomials)}"
            functions, facts = f"smooth_{k} {number(small[0])}", f"near_t_{name}"
            total = f"({quotient(left)} + {number(small[0])})"
        self.lines += [
            f"Lemma box_{name} : forall x : R, {hypothesis(box.middle - box.half, box.upper)} ->",
            f"  Rabs ({what}) <= {number(bound)}.",
            "Proof.",
            f"  intros x X; apply Rle_trans with {total}; [|lra].",
            f"  refine ({lemma} ({m}) {h} {shared} P Q",
            f"    ({left.numerator}) {left.denominator} {functions} x _ {facts} _); [compute_true|lra].",
            "Qed.",
            "",
        ]

    # -- all pieces --------------------------------------------------------------------------------------------------

    def _whole(self) -> None:
        intervals = self.target.domain.intervals
        domain = " \\/ ".join(hypothesis(*pair) for pair in intervals)
        domain = f"({domain})" if len(intervals) > 1 else domain
        self.lines += [
            f"Theorem error : forall x : R, {domain} ->",
            f"  {self.error_text(1)} <= {number(self.stated)}.",
            "Proof.",
            f"  intros x {self._pattern(len(intervals))}.",
        ]
        for lower, upper in intervals:
            own = [j for j, (b, _, _) in enumerate(self.pieces, 1) if lower <= b.lower and b.upper <= upper]
            lines = [
                f"destruct (Rle_or_lt x {number(finite(self.pieces[j - 1][0].upper))}) as [L{j}|L{j}]; "
                f"[apply error_{j}; lra|]."
                for j in own[:-1]
            ]
            lines.append(f"apply error_{own[-1]}; first [lra | trivial].")
            self.lines += [f"  {'- ' if i == 0 else '  '}{line}" for i, line in enumerate(lines)]
        self.lines += ["Qed.", ""]

    @staticmethod
    def _pattern(number_of: int) -> str:
        return "X" if number_of == 1 else f"[X|{ErrorProof._pattern(number_of - 1)}]"
