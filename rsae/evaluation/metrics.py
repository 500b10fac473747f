"""Metrics of an SAE on held-out hidden states, each number with its definition attached."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from rsae.data.states import HiddenStates
from rsae.evaluation.errors import prefix_errors
from rsae.hosts.host import Host
from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["Metric", "Metrics", "evaluate", "loss_recovered"]


@dataclass(frozen=True)
class Metric:
    """A number and what it is.

    ``standard_error``: of a mean over several seeds. ``token_error``: of one run's mean over held-out tokens, as if
    these were independent (of delta-CE and KL over held-out contexts); it says how sure the number is, not how sure a
    difference of two columns is. ``by_context``: what each held-out context adds, so that their mean is the value; two
    columns are paired by it.
    """

    value: float
    definition: str
    standard_error: float | None = None
    token_error: float | None = None
    by_context: Sequence[float] | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields, without those that are absent."""
        return {name: value for name, value in asdict(self).items() if value is not None}


Metrics = Mapping[str, Metric]

DENSE = 0.1
DEFINITIONS = {
    "mse": "squared error |{x} - {x}_hat|^2 summed over {d}, mean over {tokens} held-out tokens",
    "normalised_mse": "mse divided by the total variance: the mean of |{x} - mean({x})|^2 over the same tokens",
    "explained_variance": "1 - normalised_mse",
    "cosine": "cosine of {x} and {x}_hat, mean over {tokens} held-out tokens",
    "l0": "number of codes that are not exactly 0, mean over {tokens} held-out tokens",
    "l1": "sum of the absolute codes in units of decoder rows of norm 1, mean over {tokens} held-out tokens",
    "alive_fraction": "share of the latents with a code other than 0 on at least one of {tokens} held-out tokens",
    "dense_fraction": "share of the latents with a code other than 0 on more than 10% of {tokens} held-out tokens",
    "ce_clean": "{ce}; nothing replaced",
    "ce_spliced": "{ce}; replaced by their reconstruction",
    "ce_zero": "{ce}; replaced by zeros",
    "ce_mean": "{ce}; replaced by their mean over these contexts",
    "delta_ce": "ce_spliced - ce_clean, in nats a token",
    "kl": "KL(clean || spliced), the divergence of next-token distributions in nats, mean over {kl} tokens",
    "loss_recovered": "(ce_zero - ce_spliced) / (ce_zero - ce_clean): 1 is nothing lost, 0 as bad as zeros",
}


def loss_recovered(clean: float, spliced: float, ablated: float) -> float:
    """Share of the loss between an ablated and the clean model that the spliced one has back; NaN if both are equal.

    >>> loss_recovered(3.0, 3.5, 8.0)
    0.9
    """
    return (ablated - spliced) / (ablated - clean) if ablated != clean else float("nan")


def evaluate(sae: SparseAutoencoder, hidden_states: HiddenStates | Tensor, host: Host | None = None) -> Metrics:
    """All metrics of an SAE on held-out vectors; with a host (or hidden states that have one) also in cross-entropy.

    Raises
    ------
    ValueError
        if there are no held-out vectors, or their width is not d_in.
    """
    if isinstance(hidden_states, Tensor):
        x = hidden_states
    else:
        x, host = hidden_states.held_out, host or hidden_states.host
    if x.ndim != 2 or x.shape[1] != sae.width:
        raise ValueError(f"this SAE takes vectors [n, {sae.width}], not {list(x.shape)}")
    if len(x) == 0:
        raise ValueError("there are no held-out vectors to evaluate on; make hidden states with held_out above 0")
    tolerance = sae.tolerance
    values, errors = _reconstruction(sae, x, tolerance)
    known = {"tokens": f"{len(x)}", "x": "y" if sae.transcodes else "x", "d": "d_out" if sae.transcodes else "d_in"}
    by_context: dict[str, list[float]] = {}
    if host is not None:
        clean, zero = host.clean_loss(), host.zero_ablated_loss()
        losses, divergences = host.spliced(sae)
        parts = {"delta_ce": losses - host.clean(), "kl": divergences}
        spliced = float(losses.mean())
        errors |= {name: float(part.std()) / len(part) ** 0.5 for name, part in parts.items() if len(part) > 1}
        values |= {"ce_clean": clean, "ce_spliced": spliced, "ce_zero": zero, "ce_mean": host.mean_ablated_loss()}
        values |= {"delta_ce": spliced - clean, "loss_recovered": loss_recovered(clean, spliced, zero)}
        values["kl"] = float(parts["kl"].mean())
        by_context = {name: part.tolist() for name, part in parts.items()}
        known |= {"ce": host.definition, "kl": str(host.divergence_tokens)}
    found = {
        name: Metric(value, DEFINITIONS[name].format(**known), None, errors.get(name), by_context.get(name))
        for name, value in values.items()
    }
    if sae.prefixes:
        about = DEFINITIONS["mse"].format(**known)
        for width, error in list(prefix_errors(sae, x).items())[:-1]:
            found[f"mse_first_{width}"] = Metric(error, f"{about}, of the first {width} latents alone")
    if tolerance:
        dense = f"number of codes of magnitude above {tolerance:.4g} (the codes are dense: all are non-zero), mean over"
        found["l0"] = Metric(values["l0"], f"{dense} {len(x)} held-out tokens", token_error=errors.get("l0"))
    return found


@torch.no_grad()
def _reconstruction(sae: SparseAutoencoder, x: Tensor, tolerance: float) -> tuple[dict[str, float], dict[str, float]]:
    """Every metric that needs no host, over chunks of bounded memory; and the standard errors of means over tokens."""
    sums, firing = torch.zeros(()), torch.zeros((), dtype=torch.int64)
    norms = (
        torch.ones((), device=sae.W_enc.device) if sae.conventions.rescale_by_decoder_norm else sae.W_dec.norm(dim=1)
    )
    for chunk in sae.chunks(x):
        codes, reconstruction, _ = sae(chunk)
        target = sae.target(chunk)
        fires = codes.abs() > tolerance
        each = torch.stack(
            [
                (target.double() - reconstruction.double()).square().sum(1),
                torch.nn.functional.cosine_similarity(target.double(), reconstruction.double(), dim=-1),
                sae.latents.sum(fires.sum(1).double()),
                sae.latents.sum((codes.abs() * norms).double().sum(1)),
            ]
        )
        sums = sums + torch.stack([each.sum(1), each.square().sum(1)])
        firing = firing + fires.sum(0)
    n = len(x)
    means, squares = sums / n
    spread = ((squares - means.square()).clamp_min(0) / max(n - 1, 1)).sqrt()
    targets = sae.target(x).double()
    centred = targets - targets.mean(0)
    variance = float(centred.square().sum())
    share = n * float(means[0]) / variance if variance else float("nan")
    names = ("mse", "cosine", "l0", "l1")
    values = dict(zip(names, means.tolist(), strict=True)) | {
        "normalised_mse": share,
        "explained_variance": 1.0 - share,
        "alive_fraction": float(sae.latents.mean((firing > 0).double())),
        "dense_fraction": float(sae.latents.mean((firing > DENSE * n).double())),
    }
    return values, {name: error for name, error in zip(names, spread.tolist(), strict=True) if n > 1 and error}
