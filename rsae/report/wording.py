"""How names and numbers are written for people: labels, meanings, roundings, and which way is better."""

from __future__ import annotations

import math

from rsae.evaluation.metrics import Metric

__all__ = ["COLUMNS", "DIRECTION", "LABELS", "judged", "number", "percent", "shown", "spoken"]

LABELS = {
    "mse": "MSE",
    "l0": "L0",
    "normalised_mse": "normalised MSE",
    "explained_variance": "explained variance",
    "cosine": "cosine",
    "l1": "L1",
    "alive_fraction": "alive fraction",
    "dense_fraction": "dense fraction",
    "ce_clean": "cross-entropy, clean",
    "ce_spliced": "cross-entropy, spliced",
    "ce_zero": "cross-entropy, zero-ablated",
    "ce_mean": "cross-entropy, mean-ablated",
    "delta_ce": "delta-CE",
    "loss_recovered": "loss recovered",
    "kl": "KL divergence",
}
COLUMNS = {
    "teacher": "the SAE as it came",
    "initialised": "the rational plugged in and calibrated, nothing trained",
    "upgraded": "the rational SAE after fine-tuning",
    "control": "the teacher itself, fine-tuned with the same data order, steps, objective, optimiser, rates and seed",
    "threshold": "the teacher with one trained threshold and no curve: what the threshold alone gives",
    "control_twice": "the control with twice the steps",
    "control_mse": "the control trained on the squared error alone, without the KL stage",
    "threshold_mse": "the threshold alone, trained on the squared error alone, without the KL stage",
    "upgraded_mse": "the rational SAE trained on the squared error alone, without the KL stage",
    "scale": "one trained scalar in the place of the rational",
    "polynomial_in_h": "a polynomial in h, in units of the threshold, in the place of the rational",
    "polynomial_in_h_norm": "a polynomial in h and the norm share in the place of the rational",
    "fixed_denominator": "a cubic in tau / h: a rational of h whose denominator h^2 is not trained",
    "fixed_denominator_norm": "a cubic in tau / h and the norm share: the same, with the norm share",
    "trainable_denominator": "a rational of tau / h of type (3, 2), whose denominator is trained, too",
    "trainable_denominator_norm": "the same, with the norm share",
    "polynomial": "an older name of fixed denominator",
    "ratio": "an older name of trainable denominator",
    "unrefined": "the upgraded curve without the refinement",
    "refine_only": "the refinement with the teacher's own gate",
    "hidden states": "the host's own dimensions in the place of codes: what probing gives without an SAE",
}
# +1: higher is better; -1: lower is better. What is in neither direction better (L0, L1, clean losses) is left out.
DIRECTION = {
    "mse": -1,
    "normalised_mse": -1,
    "explained_variance": 1,
    "cosine": 1,
    "alive_fraction": 1,
    "ce_spliced": -1,
    "delta_ce": -1,
    "loss_recovered": 1,
    "kl": -1,
}


def shown(metric: Metric | None, name: str = "") -> str:
    """A metric for a table: two decimals for L0, else four significant digits; with its standard error if it has one.

    >>> shown(Metric(0.012345, "")), shown(Metric(31.9996, ""), "l0"), shown(None)
    ('0.01235', '32.00', '')
    """
    if metric is None:
        return ""
    if not math.isfinite(metric.value):
        return "undefined"
    if name == "l0":
        text = f"{metric.value:.2f}"
    elif abs(metric.value) >= 1000:
        text = f"{metric.value:.1f}"
    elif metric.value in (0.0, 1.0):
        text = f"{metric.value:.4f}"
    else:
        text = f"{metric.value:#.4g}"
    error = metric.standard_error
    return f"{text} ± {error:.2g}" if error and math.isfinite(error) else text


def spoken(name: str) -> str:
    """A name of the program as a reader reads it."""
    return name.replace("_", " ")


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage; rare events keep two digits.

    >>> percent(0.5), percent(0.000123), percent(None)
    ('50.0%', '0.012%', 'none')
    """
    if share is None or not math.isfinite(share):
        return "none"
    if 0 < abs(share) < 0.5 * 10 ** (-digits) or (share and abs(share) < 0.01):
        return f"{100 * share:.2g}%"
    return f"{100 * share:.{digits}f}%"


def number(value: float | None) -> str:
    """A number between -1 and 1 with three decimals."""
    return "none" if value is None or not math.isfinite(value) else f"{value:.3f}"


def judged(name: str, difference: float) -> str:
    """Whether a metric that differs so is better or worse; nothing where neither direction is."""
    sign = DIRECTION.get("mse" if name.startswith("mse_first_") else name, 0) * difference
    return "better" if sign > 0 else "worse" if sign < 0 else ""
