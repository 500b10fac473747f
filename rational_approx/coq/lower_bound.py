"""The theorem that the error is not smaller than the certificate's lower bound: its value at the witness, in Coq."""

from fractions import Fraction

from rational_approx.coq.boxes import bits_below
from rational_approx.coq.errors import ErrorProof
from rational_approx.coq.formulas import hypothesis, inside, number, real, region, theorem, unfolded
from rational_approx.proof.certificate import Certificate

__all__ = ["lower_theorem"]


def lower_theorem(error: ErrorProof, certificate: Certificate) -> list[str]:
    """The theorem, and no line where the certificate has no witness that is a finite point."""
    lower, witness = certificate.lower, certificate.witness
    if not lower or witness is None or not isinstance(witness.x, Fraction):
        return []
    k, x, part = witness.piece + 1, witness.x, error.parts[witness.piece]
    constant, f = part.constant, real(part.target)
    weight = f"({real(part.weight)}) * " if constant is None else f"{number(constant)} * "
    plain = f"{f} - r x" if constant == 1 else f"{weight}({f} - r x)"
    stated, where = error.error_text(k), hypothesis(*part.interval)
    if part.rational:
        closing = [
            f"  assert (W : inside {region(x, x)} {number(x)}) by (cbn [inside]; lra).",
            *part.by_signs("far", lower, region(x, x), number(x), "W"),
        ]
    else:
        bits = 2 * bits_below(lower) + 256 + max(x.numerator.bit_length(), x.denominator.bit_length())
        unfold = ", ".join(dict.fromkeys(["r", *unfolded(part.target), *unfolded(part.weight), "P", "Q"]))
        closing = [f"  unfold {unfold}; cbn [value].", f"  interval with (i_prec {bits})."]
    return theorem(
        "lower",
        f"exists x : R, ({where}) /\\ {number(lower)} <= {stated}",
        f"  assert (F : forall x : R, {where} -> {stated} = Rabs ({plain})).",
        "  {",
        "  intros x X.",
        inside(*part.interval),
        f"  unfold {', '.join(error.names(k))}.",
        *part.branches.steps,
        "  reflexivity.",
        "  }",
        f"  exists {number(x)}; split; [first [lra | trivial]|].",
        "  rewrite F by first [lra | trivial].",
        *closing,
    )
