"""The theorem that the error is not smaller than the certificate's lower bound: its value at the witness, in Coq."""

from fractions import Fraction

from rational_approx.coq.boxes import bits_below
from rational_approx.coq.errors import ErrorProof, inside
from rational_approx.coq.formulas import hypothesis, number, quotient, rational_formula, real, region, unfolded
from rational_approx.expressions.nodes import number as number_node
from rational_approx.expressions.quotients import quotient_of
from rational_approx.proof.certificate import Certificate

__all__ = ["lower_theorem"]


def lower_theorem(error: ErrorProof, certificate: Certificate) -> list[str]:
    """The theorem, and no line where the certificate has no witness that is a finite point."""
    lower, witness = certificate.lower, certificate.witness
    if not lower or witness is None or not isinstance(witness.x, Fraction):
        return []
    k, x = witness.piece + 1, witness.x
    branches, f, w = error.pieces[witness.piece]
    interval = (branches.lower, branches.upper)
    constant = error.constant(w)
    weight = f"({real(w)}) * " if constant is None else f"{number(constant)} * "
    plain = f"{real(f)} - r x" if constant == 1 else f"{weight}({real(f)} - r x)"
    stated = error.error_text(k)
    names = [error.name("f", k)] + ([error.name("w", k)] if constant is None else [])
    if quotient_of(f) is not None and quotient_of(w) is not None:
        lemma = f"formula_far_sound {rational_formula(w if constant is None else number_node(constant))}"
        closing = [
            f"  assert (W : inside {region(x, x)} {number(x)}) by (cbn [inside]; lra).",
            f"  apply Rle_trans with {quotient(lower)}; [lra|].",
            f"  refine ({'unweighted_far_sound' if constant == 1 else lemma} {rational_formula(f)}",
            f"    P Q ({lower.numerator}) {lower.denominator} {region(x, x)} {number(x)} _ W).",
            "  compute_true.",
        ]
    else:
        bits = 2 * bits_below(lower) + 256 + max(x.numerator.bit_length(), x.denominator.bit_length())
        unfold = ", ".join(dict.fromkeys(["r", *unfolded(f), *unfolded(w), "P", "Q"]))
        closing = [f"  unfold {unfold}; cbn [value].", f"  interval with (i_prec {bits})."]
    return [
        f"Theorem lower : exists x : R, ({hypothesis(*interval)}) /\\ {number(lower)} <= {stated}.",
        "Proof.",
        f"  assert (F : forall x : R, {hypothesis(*interval)} -> {stated} = Rabs ({plain})).",
        "  {",
        "  intros x X.",
        inside(*interval),
        f"  unfold {', '.join(names)}.",
        *branches.steps,
        "  reflexivity.",
        "  }",
        f"  exists {number(x)}; split; [first [lra | trivial]|].",
        "  rewrite F by first [lra | trivial].",
        *closing,
        "Qed.",
        "",
    ]
