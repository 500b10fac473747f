"""Measures of an SAE against features that are known: labels of tokens, and where there are any, directions.

A lower error can come with worse features (SynthSAEBench, arXiv 2602.14687), so both are measured. Labels alone
are enough for `firing_matches` and `single_latent_accuracy`, so these two also serve on real hidden states.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from rsae.evaluation.metrics import Metric, Metrics
from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["Known", "Matches", "absorbed", "firing_matches", "recovery", "row_matches", "single_latent_accuracy"]

_PART = 0.4  # of a parent's strength: no overlap of random directions comes near it
DEFINITIONS = {
    "f1": "F1 of 'its latent fires' for 'the feature fires' on {tokens} held-out tokens, mean over the {pairs} pairs "
    "of the one-to-one matching with the largest sum of F1",
    "mcc": "cosine of decoder row and feature direction, mean over the {rows} pairs of the one-to-one matching with "
    "the largest sum of cosines",
    "single_latent_accuracy": "balanced accuracy of the best single latent and threshold for each of {features} "
    "features: chosen on half of {tokens} held-out tokens, measured on the other half, mean over features",
    "absorption": "share of {children} child features' firings at which the parent's latent is silent while the "
    "child's carries at least 40% of the parent's strength along the parent's direction, mean over children",
}


class Known(NamedTuple):
    """The truth about hidden states [n, d_in].

    strengths: [n, features], 0 where a feature does not fire. directions: [features, d_in], of norm 1. parents:
    [features] integers, the feature without which this one never fires, -1 for none.
    """

    strengths: Tensor
    directions: Tensor
    parents: Tensor


class Matches(NamedTuple):
    """A one-to-one matching: latents, features and the agreement of each pair, three tensors [min(d_sae, features)]."""

    latents: Tensor
    features: Tensor
    agreement: Tensor

    def latent_of(self, count: int) -> Tensor:
        """For each of ``count`` features its latent, -1 where it has none."""
        found = torch.full((count,), -1)
        found[self.features] = self.latents
        return found


@torch.no_grad()
def firing_matches(sae: SparseAutoencoder, x: Tensor, fires: Tensor) -> Matches:
    """Latents matched one to one with features by when they fire; the agreement of a pair is its F1.

    F1 is ``2 both / (latent + feature)``, of the counts of tokens on which both fire, and on which either does. The
    matching is the one with the largest sum (Hungarian method), so no latent counts for two features.

    Parameters
    ----------
    x, fires:
        Hidden states [n, d_in] and whether each feature fires there, [n, features].

    Raises
    ------
    ValueError
        where their lengths differ, or there are none.

    >>> eye, zero = torch.eye(3), torch.zeros(3)
    >>> sae = SparseAutoencoder(W_enc=eye, b_enc=zero, W_dec=eye, b_dec=zero, family="relu")
    >>> x = torch.eye(3)
    >>> firing_matches(sae, x, x[:, [2, 0, 1]] > 0).latents.tolist()
    [0, 1, 2]
    """
    _check(x, fires)
    both = torch.zeros(sae.d_sae, fires.shape[1], dtype=torch.float64)
    ours = torch.zeros(sae.d_sae, dtype=torch.float64)
    for codes, labels in _chunks(sae, x, fires):
        on = (codes.abs() > sae.tolerance).float()
        both += (on.T @ labels.float()).double()
        ours += on.sum(0).double()
    total = ours[:, None] + fires.sum(0).cpu().double()
    return _matched(2 * both / total.clamp_min(1.0))


@torch.no_grad()
def row_matches(sae: SparseAutoencoder, directions: Tensor) -> Matches:
    """Latents matched one to one with features by direction; the agreement is the cosine of row and direction.

    Its mean is the MCC, the mean correlation coefficient. ``directions`` are [features, d_in].
    """
    rows = torch.nn.functional.normalize(sae.W_dec.detach().cpu(), dim=1)
    return _matched((rows @ torch.nn.functional.normalize(directions.cpu(), dim=1).T).double())


@torch.no_grad()
def single_latent_accuracy(sae: SparseAutoencoder, x: Tensor, fires: Tensor) -> Tensor:
    """Balanced accuracy [features] with which one latent's code, against a threshold, tells whether a feature fires.

    The first half of the hidden states [n, d_in] chooses the latent (the largest difference of means, as SAEBench's
    sparse probing does) and the threshold; the second half is the test. NaN for a feature that a half does not have
    both firing and silent.
    """
    _check(x, fires)
    half = len(x) // 2
    counts = fires[:half].sum(0).float().cpu()
    sums = torch.zeros(2, sae.d_sae, fires.shape[1])
    for codes, labels in _chunks(sae, x[:half], fires[:half]):
        sums += torch.stack([codes.T @ labels.float(), codes.T @ (~labels).float()])
    gaps = sums[0] / counts.clamp_min(1) - sums[1] / (half - counts).clamp_min(1)
    best = gaps.abs().argmax(0)
    sign = gaps.gather(0, best[None]).sign()
    values = sign * torch.cat([codes[:, best] for codes, _ in _chunks(sae, x, fires)])
    cut = _cuts(values[:half], fires[:half].cpu())
    said, truth = values[half:] > cut, fires[half:].cpu()
    right = (said & truth).sum(0) / truth.sum(0), (~said & ~truth).sum(0) / (~truth).sum(0)
    known = (counts > 0) & (counts < half)
    return torch.where(known, (right[0] + right[1]) / 2, torch.nan)


@torch.no_grad()
def absorbed(sae: SparseAutoencoder, x: Tensor, known: Known, latents: Tensor) -> Tensor:
    """For each child feature, the share [children] of its firings at which its latent has taken its parent's place.

    There the parent's latent is silent, though the parent fires as it always does with its child, and the child's
    latent adds to the reconstruction, along the parent's direction, at least 40% of the parent's strength. After the
    absorption of Chanin et al. 2024 (arXiv 2409.14507), with the truth in the place of their probes. ``latents``
    [features] are those of the features, -1 for none: as `Matches.latent_of`. NaN for a child that never fires.
    """
    _check(x, known.strengths)
    children = (known.parents >= 0).nonzero().flatten()
    parents = known.parents[children]
    child, parent = latents[children], latents[parents]
    rows = sae.decode(torch.eye(sae.d_sae, device=sae.W_enc.device)).cpu() - sae.b_dec.cpu()
    along = (rows[child] * known.directions[parents]).sum(1)
    taken, fired = torch.zeros(len(children)), torch.zeros(len(children))
    for codes, strengths in _chunks(sae, x, known.strengths):
        on = strengths[:, children] > 0
        silent = (codes[:, parent] == 0) | (parent < 0)
        carried = codes[:, child] * along >= _PART * strengths[:, parents]
        taken += (on & silent & carried & (child >= 0)).sum(0)
        fired += on.sum(0)
    return taken / fired


def recovery(sae: SparseAutoencoder, x: Tensor, known: Known) -> Metrics:
    """How well an SAE finds known features on held-out hidden states [n, d_in]: F1, MCC, probing, absorption.

    Absorption is there only where features have parents.

    Raises
    ------
    ValueError
        where the truth does not fit the hidden states.
    """
    if known.directions.shape != (known.strengths.shape[1], sae.d_in):
        raise ValueError(
            f"directions must have shape [{known.strengths.shape[1]}, {sae.d_in}], not {list(known.directions.shape)}"
        )
    fires = known.strengths > 0
    matches, rows = firing_matches(sae, x, fires), row_matches(sae, known.directions)
    probed = single_latent_accuracy(sae, x, fires)
    values = {
        "f1": matches.agreement.mean(),
        "mcc": rows.agreement.mean(),
        "single_latent_accuracy": probed.nanmean(),
    }
    children = int((known.parents >= 0).sum())
    if children:
        values["absorption"] = absorbed(sae, x, known, matches.latent_of(fires.shape[1])).nanmean()
    told = {"tokens": len(x), "pairs": len(matches.latents), "rows": len(rows.latents), "children": children}
    told["features"] = int((~probed.isnan()).sum())
    return {name: Metric(float(value), DEFINITIONS[name].format(**told)) for name, value in values.items()}


def _matched(agreement: Tensor) -> Matches:
    """The one-to-one matching of the largest sum of agreements [d_sae, features]."""
    latents, features = (torch.from_numpy(part) for part in linear_sum_assignment(agreement.numpy(), maximize=True))
    return Matches(latents, features, agreement[latents, features])


def _cuts(values: Tensor, fires: Tensor) -> Tensor:
    """For each column of [n, features] the threshold of the best balanced accuracy, between two of its values."""
    ordered, order = values.sort(0, descending=True)
    hits = fires.gather(0, order)
    caught, wrong = hits.cumsum(0), (~hits).cumsum(0)
    score = caught / caught[-1].clamp_min(1) - wrong / wrong[-1].clamp_min(1)
    last = torch.ones_like(hits)  # of the tokens of equal value; a threshold lies only behind these
    last[:-1] = ordered[:-1] > ordered[1:]
    at = torch.where(last, score, -torch.inf).argmax(0)[None]
    below = (at + 1).clamp_max(len(values) - 1)
    return (ordered.gather(0, at) + ordered.gather(0, below)) / 2


def _chunks(sae: SparseAutoencoder, x: Tensor, truth: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Codes of a few hidden states at once, with the rows of the truth that belong to them, in main memory."""
    start = 0
    for chunk in sae.chunks(x):
        yield sae.encode(chunk).cpu(), truth[start : start + len(chunk)].cpu()
        start += len(chunk)


def _check(x: Tensor, truth: Tensor) -> None:
    if x.ndim != 2 or truth.ndim != 2 or len(x) != len(truth) or len(x) < 2:
        raise ValueError(
            f"give a row of the truth for each hidden state, and at least two: these are {list(x.shape)} hidden "
            f"states and {list(truth.shape)} truths"
        )
