"""What is proved of an upgrade: how far the initialised SAE can be from its teacher, and what the trained curve can do.

The curve's coefficients are float32 numbers, so they are exact fractions, and the proofs are about the curve that
ships. What is not proved is the rounding of the float32 arithmetic that evaluates it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from rational_approx import Certificate, Domain, Rational, Target, certify
from rational_approx.shipping.documents import document
from rsae.activations.paper import PaperActivation
from rsae.activations.ratio import RationalActivation, exact_coefficients
from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["certificates", "curve_certificate", "distance_bound"]

SHARES = (0.25, 0.5, 0.75)
GRID = 256


def curve_certificate(rational: Rational) -> Certificate:
    """How far a curve rho of u in [0, 1] is from 1, the teacher's own gate, and that it has no pole there; proved.

    Its range and a Lipschitz bound, rounded outwards, are claims of the certificate.

    >>> from rsae.activations.ratio import IDENTITY
    >>> found = curve_certificate(IDENTITY)
    >>> found.status, float(found.upper), found.pole_free
    ('proved', 0.0, True)
    """
    one = Target("1", (0, 1))
    distance = certify(rational, one)
    if distance.status != "proved" or distance.upper is None:
        return distance
    slope = rational.derivative()
    grid = [Fraction(i, GRID) for i in range(GRID + 1)]
    values = [rational(u) for u in grid]
    steep = Fraction(1.02 * max(abs(float(slope(u))) for u in grid) + 1e-6)
    # No point is farther than 1 / (2 GRID) from the grid, so the range follows from the slopes, if those hold.
    margin = steep / (2 * GRID)
    low, high = (Fraction(float(value)) for value in (min(values), max(values)))
    return certify(
        rational,
        one,
        claims=[("range", -_outward(margin - low), _outward(high + margin)), ("lipschitz", _outward(steep))],
    )


def _outward(value: Fraction) -> Fraction:
    """The next larger multiple of 2^-20."""
    return Fraction(math.ceil(value * 2**20), 2**20)


@torch.no_grad()
def distance_bound(teacher: SparseAutoencoder, initialised: SparseAutoencoder, x: Tensor) -> dict[str, Any]:
    """A bound on ``|x_hat_teacher - x_hat_initialised|_2`` over hidden states x [n, d_in], beside the largest measured.

    The bound is on what the curve does in exact arithmetic; what is measured, in float32, holds rounding as well:
    ``rounding`` is the largest distance with the curve taken out, when the two are one function with other decoder
    norms. Where rounding decides a near-tie of pre-activations the other way, the two SAEs keep other latents: such
    vectors are counted in ``other_support``, with their largest distance, and are in neither of these figures.

    Exact support: both SAEs have the support S, and ``z_j - z'_j = h_j (1 - rho(u_j))``, so that the distance is at
    most ``E sum_{j in S} h_j |W_dec_j|``, with E the proved error of the curve on [0, 1]. The sum is that of the
    teacher's codes. Dense ReLU form: every code is off by at most ``C_in E'``, E' the proved error of
    ``(C_out / C_in) r`` for ReLU on [-1, 1], and every latent counts; where h exceeds C_in, by ``h - C_in`` more. A
    dense form with a jump has no such bound: next to the jump its error is of the size of the jump.
    """
    device = teacher.W_enc.device
    norms = torch.ones_like(teacher.b_enc) if teacher.conventions.rescale_by_decoder_norm else teacher.W_dec.norm(dim=1)
    inner = float(initialised.activation.input_scale) if isinstance(initialised.activation, PaperActivation) else 0.0
    straight = None if isinstance(initialised.activation, PaperActivation) else copy.deepcopy(initialised)
    if straight is not None:
        straight.activation = None
    mass = beyond = farthest = rounding = apart = 0.0
    others, everywhere = 0, teacher.latents.sum
    for chunk in teacher.chunks(x):
        ours, theirs = initialised(chunk), teacher(chunk)
        _, _, unit = teacher.conventions.normalised(chunk)
        size = torch.as_tensor(unit, device=device, dtype=torch.float64).reshape(-1)
        weighed = everywhere((theirs.codes.double().abs() * norms.double()).sum(1))
        mass = max(mass, float((weighed * size).max()))
        over = (ours.pre_activations.double() - inner).clamp_min(0.0) * norms.double()
        beyond = max(beyond, float(everywhere(over.sum(1)).max()))
        gap = (ours.reconstruction - theirs.reconstruction).double().norm(dim=1)
        if straight is not None:
            same = everywhere(((ours.codes != 0) != (theirs.codes != 0)).sum(1)) == 0
            without = (straight(chunk).reconstruction - theirs.reconstruction).double().norm(dim=1)
            rounding = max(rounding, float((without * same).max()))
            apart = max(apart, float((gap * ~same).max()))
            others += int((~same).sum())
            gap = gap * same
        farthest = max(farthest, float(gap.max()))
    found: dict[str, Any] = {"measured": farthest, "vectors": len(x)}
    if straight is not None:
        found |= {"rounding": rounding, "other_support": others, "distance_of_other_support": apart}
    gate = initialised.activation
    if isinstance(gate, RationalActivation):
        if len({gate.rational(share) for share in SHARES}) > 1:
            return found | {"status": "undecided", "reason": "the curve reads a second input"}
        certificate, factor, more = curve_certificate(gate.rational()), mass, 0.0
    elif isinstance(gate, PaperActivation) and teacher.family == "relu" and teacher.conventions.normalise == "none":
        ratio = Fraction(float(gate.output_scale)) / Fraction(inner)
        exact = gate.rational()
        scaled = Rational(tuple(c * ratio for c in exact.numerator), exact.denominator, Domain.of((-1, 1)))
        certificate = certify(scaled, Target("max(x, 0)", (-1, 1), breakpoints=(0,)))
        factor, more = inner * float(everywhere(norms.double().sum())), beyond
    else:
        return found | {"status": "undecided", "reason": "no bound holds across the jump of this gate"}
    error = None if certificate.upper is None else float(certificate.upper)
    bound = None if error is None else error * factor + more
    return found | {"status": certificate.status, "bound": bound, "curve_error": error, "hash": _hash(certificate)}


def certificates(
    teacher: SparseAutoencoder, initialised: SparseAutoencoder, trained: SparseAutoencoder, x: Tensor
) -> dict[str, Any]:
    """The proofs of an upgrade as a tree of plain values, each with a sentence, for a report."""
    distance = distance_bound(teacher, initialised, x)
    if distance.get("bound") is not None:
        distance["sentence"] = (
            f"On the {distance['vectors']} held-out vectors the curve moves the initialised SAE's reconstruction by at "
            f"most {distance['bound']:.2g} from the teacher's (proved, in exact arithmetic). {_measured(distance)}"
        )
    else:
        distance["sentence"] = f"No bound on the distance to the teacher is proved: {distance.get('reason')}."
    tree: dict[str, Any] = {"initialised": distance}
    gate = trained.activation
    if not isinstance(gate, RationalActivation):
        return tree
    shares = (0.5,) if "norm" not in gate.inputs else SHARES
    for share in shares:
        found = curve_certificate(gate.rational(share))
        name = "trained curve" if len(shares) == 1 else f"trained curve, norm share {share}"
        tree[name] = _entry(found, None if len(shares) == 1 else share)
    tree["everywhere"] = _everywhere(gate)
    return tree


def _measured(distance: Mapping[str, Any]) -> str:
    """What float32 arithmetic shows beside a proved distance, in words, with the share that is rounding."""
    words = f"In float32 the largest distance measured is {distance['measured']:.2g}"
    if "rounding" not in distance:
        return f"{words}."
    words += f"; rounding alone, with the curve taken out, makes {distance['rounding']:.2g}."
    if distance["other_support"]:
        one = distance["other_support"] == 1
        words += (
            f" On {distance['other_support']} vector{'' if one else 's'}, left out here, rounding decided a near-tie "
            f"the other way, so that another latent fires: up to {distance['distance_of_other_support']:.2g} apart."
        )
    return words


def _entry(found: Certificate, share: float | None) -> dict[str, Any]:
    where = "" if share is None else f" at norm share {share}"
    facts = {claim.name: [str(argument) for argument in claim.arguments] for claim in found.claims}
    poles = {True: "has no pole", False: "has a pole"}.get(found.pole_free, "may have a pole")  # type: ignore[arg-type]
    sentence = f"The trained curve{where} {poles} on [0, 1]"
    entry: dict[str, Any] = {"status": found.status, "hash": _hash(found), "claims": facts}
    if found.status == "proved" and found.upper is not None:
        low, high = (float(Fraction(a)) for a in facts["range"])
        steep = float(Fraction(facts["lipschitz"][0]))
        sentence += f", lies in [{low:.4f}, {high:.4f}] and has slopes of at most {steep:.4f} (proved)"
        entry |= {"distance_from_1": float(found.upper)}
    return entry | {"sentence": sentence + "."}


def _everywhere(gate: RationalActivation) -> dict[str, Any]:
    """What the form itself gives for all inputs: ``Q >= 1`` and ``|T_i| <= 1`` bound the curve by ``sum |a|``."""
    bound = sum((abs(a) for a in exact_coefficients(gate.numerator)), Fraction(0))
    pole = "Q is at least 1, so that there is no pole"
    if gate.of_fixed_denominator:
        pole = "the curve is a polynomial of tau / h, whose only pole, in h, is at 0, where no code is"
    return {
        "status": "proved",
        "bound": float(bound),
        "sentence": (
            f"For every input whatever, {pole}; tau / h and the norm share are held in [0, 1], so that nothing is "
            f"evaluated outside; and a code is at most {float(bound):.4f} times its pre-activation, never negative, "
            "and exactly 0 off the support."
        ),
    }


def _hash(certificate: Certificate) -> str:
    return str(document(certificate)["hash"])
