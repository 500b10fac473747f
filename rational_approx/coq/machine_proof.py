"""`machine_proof`: the statements of a certificate as one Coq file, with proofs that `coqc` checks.

The file stands alone: definitions and lemmas that it needs are at its head (``prelude/*.v``), and what is proved is
read from its theorems. Which statements are not proved there is said in its first comment.
"""

from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files
from math import gcd, lcm

import flint

from rational_approx.arithmetic.domain import Domain
from rational_approx.arithmetic.polynomials import exact, fmpq
from rational_approx.coq.claims import claim_theorems, pole_theorems
from rational_approx.coq.errors import ErrorProof
from rational_approx.coq.formulas import OWN, integers, quotient, theorem
from rational_approx.coq.lower_bound import lower_theorem
from rational_approx.proof.certificate import Certificate, Claim, target_of

__all__ = ["MachineProof", "machine_proof"]

_PRELUDE = ("polynomials", "signs", "quotients", "errors", "formulas")
_FUNCTION = "\n".join(["", "(** * Functions that Coq's library does not have *)", ""])


@dataclass(frozen=True)
class MachineProof:
    """A Coq file, and which of the certificate's statements it proves.

    ``proved`` and ``left`` hold one sentence for each statement; ``interval`` says whether CoqInterval is needed.
    """

    text: str
    proved: tuple[str, ...]
    left: tuple[str, ...]
    interval: bool


def machine_proof(certificate: Certificate, *, error: bool = True) -> MachineProof:
    """Write the Coq file for a certificate; ``error=False`` leaves the target out, and proves what is said of r alone.

    Raises
    ------
    ValueError
        where the certificate is not proved, or its target has no translation: the message names what has none.

    >>> from rational_approx import Rational, Target, certify
    >>> zero = Rational((Fraction(1, 2),), (Fraction(1),), Domain.of((-1, 1)), basis="monomial")
    >>> proof = machine_proof(certify(zero, Target("abs(x)", (-1, 1))))
    >>> print(proof.proved[1])
    error: the error is at most 0.5, exactly the certificate's upper bound
    >>> [line for line in proof.text.splitlines() if line.startswith("Theorem error ")]
    ['Theorem error : forall x : R, (-1) <= x <= 1 ->']
    """
    if certificate.status != "proved" or certificate.upper is None:
        raise ValueError(
            f"the certificate is {certificate.status}, not proved: only what is proved can be written down for Coq"
        )
    top, bottom = certificate.rational.polynomials
    if bottom(fmpq(_some_point(certificate.domain))) < 0:
        top, bottom = -top, -bottom
    lines = _rational(top, bottom)
    proved, left = [_pole_free(certificate.domain)], []
    theorems = pole_theorems(bottom, certificate.domain.intervals)
    stated, interval, own = None, False, list[str]()
    lower: list[str] = []
    if not error:
        left.append("upper: that the error is not larger")
    elif certificate.samples:
        stated = certificate.upper
        theorems += _samples(certificate)
        proved.append(f"error: at every sample at most {float(stated):.12g}, exactly the certificate's upper bound")
    else:
        made = ErrorProof(target_of(certificate), top, bottom, certificate.upper)
        stated, interval, own = made.stated, made.smooth, list(made.own)
        theorems += made.lines
        proved.append(_error_text(made))
        lower = lower_theorem(made, certificate)
        theorems += lower
    text = f"lower: the error is at least {float(certificate.lower or 0):.12g}, at the witness"
    (proved if lower else left).append(text)
    left.append("best_lower: that no rational of the type has a smaller error")
    for j, claim in enumerate(certificate.claims, 1):
        name = f"error_claim_{j}" if claim.name == "error" else f"{claim.name}_{j}"
        found = claim_theorems(claim, name, certificate, bottom, stated)
        theorems += found
        (proved if found else left).append(f"{name if found else 'claim'}: {_words(claim)}")
    head = _head(certificate, proved, left, interval)
    imports = "From Coq Require Import Reals ZArith List Bool Lra Lia.\n" + (
        "From Interval Require Import Tactic.\n" if interval else ""
    )
    settings = "Import ListNotations.\nLocal Open Scope R_scope.\n"
    prelude = "\n".join(files("rational_approx.coq").joinpath("prelude", f"{name}.v").read_text() for name in _PRELUDE)
    text = "\n".join([head, imports + settings, prelude, *_functions(own), *lines, *theorems])
    return MachineProof(text, tuple(proved), tuple(left), interval)


def _some_point(domain: Domain) -> Fraction:
    lower, upper = domain.intervals[0]
    return lower if isinstance(lower, Fraction) else upper if isinstance(upper, Fraction) else Fraction(0)


# -- definitions -----------------------------------------------------------------------------------------------------


def _rational(top: flint.fmpq_poly, bottom: flint.fmpq_poly) -> list[str]:
    # Both polynomials times the number that makes all coefficients whole and without a common factor.
    p, q = ([exact(c) for c in poly.coeffs()] for poly in (top, bottom))
    shared = lcm(*(c.denominator for c in p + q))
    factor = Fraction(shared, gcd(*(int(c * shared) for c in p + q)))
    wholes = [[int(c * factor) for c in side] for side in (p, q)]
    return [
        "(** * The rational: its coefficients, lowest power first, all times the same number *)",
        "",
        *(f"Definition {name} : list Z := {integers(side)}." for name, side in zip("PQ", wholes)),
        "Definition r (x : R) : R := value P x / value Q x.",
        "",
        "(** * Theorems *)",
        "",
    ]


def _functions(own: list[str]) -> list[str]:
    if not own:
        return []
    return [_FUNCTION, *(f"Definition {name} (u : R) : R := {OWN[name]}." for name in own), ""]


def _samples(certificate: Certificate) -> list[str]:
    upper = certificate.upper
    assert upper is not None

    def written(value: Fraction) -> str:
        return f"({value.numerator}), {value.denominator}"

    rows = ";\n   ".join(f"({', '.join(map(written, sample))})" for sample in certificate.samples)
    return [
        "(* Each row a, b, c, d, m, n is the sample (a / b, c / d) with the weight m / n. *)",
        "Definition samples : list (Z * Z * Z * Z * Z * Z) :=",
        f"  [{rows}]%Z.",
        "",
        *theorem(
            "error",
            "Forall (fun '(a, b, c, d, m, n) =>\n"
            f"  Rabs (IZR m / IZR n * (IZR c / IZR d - r (IZR a / IZR b))) <= {quotient(upper)}) samples",
            f"  refine (samples_sound P Q ({upper.numerator}) {upper.denominator} samples _); compute_true.",
        ),
    ]


# -- what is said of it ----------------------------------------------------------------------------------------------


def _pole_free(domain: Domain) -> str:
    where = "each interval of the domain" if len(domain.intervals) > 1 else "the domain"
    return f"pole_free: the denominator keeps one strict sign on {where}"


def _error_text(error: ErrorProof) -> str:
    names = "error" if error.shared else f"error_1 to error_{len(error.parts)}, one for each piece"
    bound = f"{names}: the error is at most {float(error.stated):.12g}"
    if error.stated == error.upper:
        return f"{bound}, exactly the certificate's upper bound"
    return f"{bound}, {float(error.stated / error.upper - 1):.2g} of itself above the certificate's upper bound"


def _words(claim: Claim) -> str:
    words = [a if isinstance(a, str) else f"{float(a):.12g}" for a in claim.arguments]
    meant = {
        "error": " (that the bound of the theorem about the error is not above it)",
        "monotone": " (the sign of the slope, and the order of the values on each interval)",
        "lipschitz": " (the size of the slope, and the distance of the values on each interval)",
    }
    return " ".join([claim.name, *words]) + meant.get(claim.name, "")


def _head(certificate: Certificate, proved: list[str], left: list[str], interval: bool) -> str:
    def comment(text: str) -> str:
        # A comment must not end or start another one inside.
        return text.replace("(*", "( *").replace("*)", "* )").replace('"', "'")

    weighted = "" if certificate.weight == "1" else f", weighted by {certificate.weight},"
    name = f"{len(certificate.samples)} samples" if certificate.samples else certificate.target
    lines = [
        f"A rational r = P / Q of type {certificate.type} for {name}{weighted} on {certificate.domain}.",
        "",
        "Check this file with: coqc FILE.v (Coq 8.16 or newer"
        + (", with the library coq-interval)." if interval else ")."),
        "Read the definitions of value, has_slope, P, Q, r and of the target (f, or f_1, f_2, ... on its pieces),",
        "and the theorems: that they say what the certificate says is trusted. The rest is proved in this file.",
        "",
        "Proved here:",
        *(f"- {line}" for line in proved),
        "",
        "Said by the certificate and NOT proved here:",
        *(f"- {line}" for line in left),
    ]
    return "(* " + "\n   ".join(comment(line) for line in lines).replace("\n   \n", "\n\n") + " *)\n"
