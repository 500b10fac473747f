"""Is this teacher at home on these hidden states? Refusals with a reason, and remarks for the verdict."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from rsae.hosts.dialects import vocabulary_of
from rsae.hosts.host import Host
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.training.l0 import mean_l0
from rsae.upgrading.layers import elsewhere, unexplained
from rsae.upgrading.origin import CONSENT, contradictions

__all__ = ["SLACK", "checked_l0", "known_harm", "missed_l0", "remarks"]

EXPECTED = 0.25
"""Of the variance a teacher explains so much at its own place: half of what the sparsest that are in use explain."""
WORSE, WORSE_BY = 1.5, 0.05
"""How much more may be left than recorded: other text, and libraries that count outliers, on which SAEs look good."""
SPARSITIES = 2.0
"""A mean L0 this many times the recorded one, or this part of it, is that of another place; other text moves it 30%."""
CLOSER = 0.8
"""Another layer that leaves so much less is the teacher's own: its neighbours leave 1.1 to 4 times it, as measured."""
FITS = 0.65
BAFFLED = 0.5
SLACK = 0.005
_ABSORBING = ("residual", "residual_twice", "search")


def checked_l0(
    teacher: SparseAutoencoder, x: Tensor, host: Host | None = None, *, accept_mismatch: bool = False
) -> float:
    """The teacher's mean L0 on calibration vectors [n, d_in], if they are such as it was trained on.

    Raises
    ------
    ValueError
        where it explains less of their variance than it recorded itself, or less than half; where its mean L0 is not
        the recorded one; where it explains another layer of the host far better: with the likely reasons, and which
        normalisation would explain it. ``accept_mismatch`` lets all that pass. For values that are not finite; and
        where it never fires, or always.
    """
    broken = int((~torch.isfinite(x)).any(1).sum())
    if broken:
        raise ValueError(f"{broken} of {len(x)} calibration vectors hold NaN or infinite values: drop them first")
    share = unexplained(teacher, x)
    if math.isnan(share):
        raise ValueError("the teacher's codes on these hidden states are NaN or infinite, so it cannot be upgraded")
    found = mean_l0(teacher, x)
    if found == 0:
        raise ValueError(
            "the teacher fires on none of these hidden states: all of its latents are dead here, so there is no L0 to "
            f"keep; are they of its layer and scale (mean norm {float(x.norm(dim=1).mean()):.4g})?"
            f"{_explained(teacher, x)}"
        )
    doubts = [] if accept_mismatch else list(_doubts(teacher, x, host, share, found))
    if doubts:
        raise ValueError(
            f"these hidden states do not seem to be the teacher's: {'; '.join(doubts)}. Likely reasons: another layer, "
            "hook or model; another tokenizer, or contexts with a BOS token where it had none, or the other way round; "
            f"inputs that it expects scaled or centred (its normalisation is {teacher.conventions.normalise!r}, their "
            f"mean norm {float(x.norm(dim=1).mean()):.4g}, the norm of their mean {float(x.mean(0).norm()):.4g}, of "
            f"its b_dec {float(teacher.b_dec.detach().norm()):.4g}).{_explained(teacher, x)} {CONSENT}"
        )
    if not found < teacher.d_sae:
        raise ValueError(f"the teacher's mean L0 on these hidden states is {found:g}, so there is no L0 to keep")
    return found


def _doubts(teacher: SparseAutoencoder, x: Tensor, host: Host | None, share: float, l0: float) -> Iterator[str]:
    """What speaks against these hidden states, of which a ``share`` of the variance is left at a mean ``l0``."""
    recorded, left = _number(teacher.metadata.get("explained_variance")), 1 - EXPECTED
    if 0 < recorded <= 1:
        left = WORSE * (1 - recorded) + WORSE_BY
    if not share < 1:
        yield f"it reconstructs them worse than their mean does ({share:.3g} of the variance)"
    elif share > left:
        usual = f"and recorded {recorded:.1%}" if recorded > 0 else f"where {EXPECTED:.0%} or more is usual"
        yield f"it explains {1 - share:.1%} of their variance, {usual}"
    sparsity = _number(teacher.metadata.get("l0"))
    if sparsity > 0 and not 1 / SPARSITIES < l0 / sparsity < SPARSITIES:
        yield f"its mean L0 on them is {l0:.4g}, and it recorded {sparsity:.4g}"
    scaled = teacher.metadata.get("inputs_scaled_outside")
    norm, root = float(x.norm(dim=1).mean()), teacher.d_in**0.5
    if scaled == "expected_average_only_in" and not 0.8 < norm / root < 1.25:
        yield f"it takes inputs of mean norm sqrt(d_in) = {root:.4g} ({scaled}), and theirs is {norm:.4g}"
    if host is not None and teacher.metadata.get("hook") is None and not teacher.transcodes:
        there, here = elsewhere(teacher, host)
        best = min(there, key=lambda name: there[name], default="")
        if best and there[best] < CLOSER * here:
            yield f"it leaves {here:.1%} of the variance at {host.hook.name!r}, and {there[best]:.1%} at {best!r}"


def _number(value: object) -> float:
    """A number of the metadata; 0 for what is none."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def _explained(teacher: SparseAutoencoder, x: Tensor) -> str:
    """Which change of the hidden states would make them the teacher's, if one of the usual ones does."""
    if teacher.transcodes:
        return ""
    x = x[:4096]
    root = teacher.d_in**0.5
    norms = x.norm(dim=1, keepdim=True).clamp_min(1e-12)
    centre = teacher.b_dec.detach().to(x) - x.mean(0)
    spread = x.std(1, keepdim=True).clamp_min(1e-12)
    ways = {
        f"multiplied by {root / float(norms.mean()):.4g} (to a mean norm of sqrt(d_in))": x * root / norms.mean(),
        f"divided by {root:.4g} (sqrt(d_in))": x / root,
        "each scaled to norm sqrt(d_in) (constant_norm_rescale)": x * root / norms,
        "each centred and divided by its standard deviation (layer_norm)": (x - x.mean(1, keepdim=True)) / spread,
        f"moved by {float(centre.norm()):.4g} to the teacher's centre": x + centre,
    }
    shares = {way: unexplained(teacher, changed) for way, changed in ways.items()}
    way = min(shares, key=lambda name: shares[name] if math.isfinite(shares[name]) else math.inf)
    if not shares[way] < min(FITS, unexplained(teacher, x) / 2):
        return " No usual normalisation explains it."
    return f" They fit if {way}: then {shares[way]:.3g} of the variance is left."


def remarks(host: Host | None, teacher: SparseAutoencoder, x: Tensor, question: Mapping[str, Any]) -> str:
    """What a reader should know before the numbers: text that the host cannot predict, a mismatch that was accepted.

    A language model that knows the language of a text has well under half the cross-entropy of a uniform guess.
    """
    found = [f"Accepted although {said}." for said in contradictions(teacher.metadata, question, host)]
    if host is not None:
        chance, clean = math.log(vocabulary_of(host.model)), host.clean_loss()
        if clean > BAFFLED * chance:
            found.append(
                f"The host predicts this text at {clean:.2f} nats a token, where guessing costs {chance:.2f}: is it in "
                "another language, or of another kind, than what it was trained on?"
            )
    share = unexplained(teacher, x)
    if share > 1 - EXPECTED:
        found.append(
            f"The teacher leaves {share:.0%} of the variance of these hidden states unexplained: are they its own?"
        )
    return " ".join(found)


def known_harm(family: str, refine: str, inputs: Sequence[str]) -> str:
    """What an upgrade uses that lowered the error and harmed features where these are known; empty for nothing.

    As measured (docs/measured/features.md), beside arms without it: refinements in every family, the norm share for a
    ReLU. Searching twice and the gain were not measured.
    """
    names = [f"the refinement {refine!r}"] if refine in _ABSORBING else []
    if family == "relu" and "norm" in inputs:
        names.append("a ReLU's curve that reads the norm share")
    if not names:
        return ""
    return (
        f"Where features are known, {' and '.join(names)} lowered the error and harmed features: the latent of a "
        "special feature stood in more often for that of its general one (docs/measured/features.md)."
    )


def missed_l0(found: Mapping[str, float], wanted: float) -> str:
    """Which arms do not keep the L0 that was asked for on calibration vectors; empty where all do.

    MSE falls steeply as L0 rises, so that columns at different L0 must not be compared as they stand.
    """
    missed = [f"{name} {l0:.2f}" for name, l0 in found.items() if abs(l0 - wanted) > SLACK * wanted]
    if not missed:
        return ""
    return f"L0 {wanted:.2f} could not be kept: on the calibration vectors {', '.join(missed)}. Compare MSE with care."
