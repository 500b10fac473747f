"""`convert`: TopK and BatchTopK as JumpReLU, with the thresholds that keep L0, and what that changes.

BatchTopK keeps, of a batch of n tokens, the k n largest positive pre-activations. Of one token alone that says nothing,
so that libraries save a JumpReLU, whose threshold is a moving average over training batches of the least entry that was
kept. That average lags behind the weights and has the units of its training: on other hidden states L0 is another,
and nothing says so. Here the threshold is the level that, on given hidden states, as many entries a token exceed as
the rule keeps: the least entry kept of one batch of all of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from scipy.special import stdtrit
from torch import Tensor

from rsae.data.sources import hidden_states as make_hidden_states
from rsae.data.states import HiddenStates
from rsae.evaluation.comparison import Comparison
from rsae.formats import load_sae
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.fold import fold_decoder_norms
from rsae.training.l0 import level, mean_l0

__all__ = ["Conversion", "Measured", "convert"]

_ENTRIES = 2**24  # of pre-activations [n, block] that are sorted at once
RUNS = 32
OVER = "runs of neighbouring tokens"


@dataclass(frozen=True)
class Measured:
    """A mean over held-out tokens and its 95% interval over runs of neighbouring tokens, with thresholds fixed."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


@dataclass(frozen=True)
class Conversion:
    """A JumpReLU SAE, and L0 and MSE of what it was and what it is, on held-out tokens.

    ``before`` is the rule that it was trained with (``rule`` says which), ``after`` the JumpReLU; ``as_read`` is the
    threshold that the file of a BatchTopK SAE holds, where there is one. ``changes`` are after minus before, paired by
    run. Each of them has ``"l0"`` and ``"mse"``.
    """

    sae: SparseAutoencoder
    rule: str
    target_l0: float
    before: Mapping[str, Measured]
    after: Mapping[str, Measured]
    changes: Mapping[str, Comparison]
    as_read: Mapping[str, Measured] | None = None

    @property
    def sentence(self) -> str:
        """L0 before and after, and what that does to the error."""
        l0, mse = self.changes["l0"], self.changes["mse"]
        share = [100 * part / mse.base for part in (mse.difference, mse.low, mse.high)]
        told = (
            f"L0 {self.before['l0'].value:.2f} before ({self.rule}), {self.after['l0'].value:.2f} after: "
            f"{l0.difference:+.2f} (95% interval over {l0.over}: {l0.low:+.2f} to {l0.high:+.2f}). "
            f"MSE {self.before['mse'].value:.4g} before, {self.after['mse'].value:.4g} after: "
            f"{share[0]:+.2f}% ({share[1]:+.2f}% to {share[2]:+.2f}%)."
        )
        if self.as_read is None:
            return told
        read = self.as_read
        return f"{told} With the threshold of its file: L0 {read['l0'].value:.2f}, MSE {read['mse'].value:.4g}."

    def to_json(self) -> dict[str, Any]:
        """Everything but the SAE, as plain values."""
        tree: dict[str, Any] = {"rule": self.rule, "target_l0": self.target_l0, "sentence": self.sentence}
        for name, column in {"before": self.before, "after": self.after, "as_read": self.as_read}.items():
            if column is not None:
                tree[name] = {key: vars(value) for key, value in column.items()}
        return tree | {"changes": {name: change.to_json() for name, change in self.changes.items()}}


def convert(
    sae: SparseAutoencoder | Any,
    hidden_states: HiddenStates | Any,
    *,
    l0: float | None = None,
    per_latent: bool = False,
) -> Conversion:
    """A TopK or BatchTopK SAE as a JumpReLU SAE with the same weights, whose thresholds keep L0.

    Thresholds are chosen on the calibration vectors, and L0 and MSE before and after measured on the held-out ones.

    One threshold for all latents: the level of pre-activations that as many entries a token exceed as the rule keeps;
    of a TopK SAE that lets tokens have more codes or fewer. ``per_latent`` (TopK): for each latent the level that it
    exceeds on as many tokens as TopK chooses it on. ``l0`` keeps that L0 in the place of the rule's, and is needed for
    a JumpReLU SAE whose file does not say that it was trained as BatchTopK. Where such an SAE's thresholds differ, all
    are multiplied by one factor.

    Parameters
    ----------
    sae:
        A teacher, or a path that `load_sae` reads.
    hidden_states:
        `HiddenStates`, or an array [n, d_in] whose last tenth is then held out.

    Raises
    ------
    ValueError
        by name, for families that have no JumpReLU of the same weights, or are one already; for rational activations
        and refinements; for hidden states of another width or without held-out vectors; where ``l0`` is out of reach.

    Source: Bussmann, Leask, Nanda: BatchTopK Sparse Autoencoders (arXiv 2412.06410), section 3: the threshold.

    >>> eye = torch.eye(4)
    >>> topk = SparseAutoencoder(W_enc=eye, b_enc=torch.zeros(4), W_dec=eye, b_dec=torch.zeros(4), family="topk", k=2)
    >>> found = convert(topk, torch.rand(2000, 4, generator=torch.Generator().manual_seed(0)))
    >>> found.sae.family, round(found.before["l0"].value), round(found.after["l0"].value, 1)
    ('jumprelu', 2, 2.0)
    """
    teacher = sae if isinstance(sae, SparseAutoencoder) else load_sae(sae)
    states = hidden_states if isinstance(hidden_states, HiddenStates) else make_hidden_states(hidden_states)
    source, rule, wanted = _asked(teacher, l0, per_latent)
    if states.d_in != teacher.width:
        raise ValueError(f"the hidden states have width {states.d_in}, but the SAE takes {teacher.taken}")
    if not len(states.held_out):
        raise ValueError("there are no held-out vectors to measure L0 on; make hidden states with held_out above 0")
    x, held_out = states.calibration, states.held_out
    if wanted is None:
        wanted = mean_l0(source, x)
    if per_latent:
        converted = _jumprelu(source, _levels(source, x))
    else:
        converted = _at(source, x, wanted)
    before = source if source.family == "topk" or l0 is not None else _at(source, held_out, wanted)
    found = {name: _each(arm, held_out) for name, arm in (("before", before), ("after", converted))}
    found["as_read"] = {}
    if before is not source:  # BatchTopK: its rule gives every batch k codes a token, so that this mean has no error
        found["before"]["l0"] = torch.full_like(found["before"]["l0"], wanted)
        found["as_read"] = _each(source, held_out)
    kept = {name: value for name, value in teacher.metadata.items() if name != "batch_k"}
    about = {"rule": rule, "l0": wanted, "vectors": len(x), "per_latent": per_latent}
    converted.metadata = {**kept, "converted": about}
    columns = {name: {key: _measured(values) for key, values in part.items()} for name, part in found.items()}
    changes = {name: _change(name, found["after"][name], found["before"][name]) for name in ("l0", "mse")}
    return Conversion(converted, rule, wanted, columns["before"], columns["after"], changes, columns["as_read"] or None)


def _asked(
    teacher: SparseAutoencoder, l0: float | None, per_latent: bool
) -> tuple[SparseAutoencoder, str, float | None]:
    """The SAE with its norms folded, the rule that it was trained with, and the L0 to keep (None: the rule's own)."""
    if l0 is not None and not 0 < l0 < teacher.d_sae:
        raise ValueError(f"l0 is a mean number of codes, above 0 and below d_sae = {teacher.d_sae}, not {l0!r}")
    if teacher.activation is not None or teacher.refine != "none":
        what = "a rational activation" if teacher.activation is not None else f"the refinement {teacher.refine!r}"
        raise ValueError(f"this SAE has {what}, which JumpReLU does not hold: convert its teacher, and upgrade that")
    if teacher.family == "topk":
        if per_latent and l0 is not None:
            raise ValueError("per_latent keeps how often each latent fires, so that l0 cannot be another: give one")
        folded = fold_decoder_norms(teacher) if teacher.conventions.rescale_by_decoder_norm else teacher
        return folded, f"TopK, k = {teacher.k}", l0
    if teacher.family != "jumprelu":
        why = "its threshold is 0 already" if teacher.family == "relu" else "groups compete, whatever their level"
        raise ValueError(f"family {teacher.family!r} cannot be converted ({why}); topk and BatchTopK can")
    if per_latent:
        raise ValueError("per_latent is for TopK: BatchTopK has one threshold for all latents")
    k = teacher.metadata.get("batch_k")
    if l0 is not None:
        return teacher, "JumpReLU as read", l0
    if not isinstance(k, int | float) or isinstance(k, bool) or not 0 < k < teacher.d_sae:
        raise ValueError(
            "family 'jumprelu' is one already, and this SAE does not say that it was trained as BatchTopK, and with "
            "which k: to move its thresholds give the L0 that they shall keep (l0=, --l0)"
        )
    return teacher, f"BatchTopK, k = {k:g}", float(k)


def _jumprelu(source: SparseAutoencoder, threshold: Tensor) -> SparseAutoencoder:
    skip: dict[str, Any] = {"W_skip": source.W_skip} if source.transcodes else {}
    return type(source)(
        W_enc=source.W_enc,
        b_enc=source.b_enc,
        W_dec=source.W_dec,
        b_dec=source.b_dec,
        family="jumprelu",
        threshold=threshold.cpu(),
        conventions=source.conventions,
        prefixes=source.prefixes,
        **skip,
    ).to(source.W_enc.device)


def _at(source: SparseAutoencoder, x: Tensor, wanted: float) -> SparseAutoencoder:
    """A JumpReLU with ``wanted`` codes a token on [n, d_in]; thresholds that differ keep their ratios."""
    own = source.threshold
    unit = torch.ones(source.d_sae) if own is None or bool((own == own[0]).all()) else own.detach()
    found = _jumprelu(source, unit)
    assert found.threshold is not None
    found.threshold.data.mul_(max(level(found, x, wanted), 0.0))
    if (reached := mean_l0(found, x)) < 0.98 * wanted:
        raise ValueError(
            f"L0 {wanted:.4g} is out of reach: only {reached:.4g} pre-activations a token are positive on these hidden "
            "states; are they of this SAE's layer and scale?"
        )
    return found


@torch.no_grad()
def _levels(source: SparseAutoencoder, x: Tensor) -> Tensor:
    """For each latent the level [d_sae] that it exceeds on as many of the tokens [n, d_in] as the rule keeps it on."""
    counts = sum((source.encode(chunk) != 0).sum(0) for chunk in source.chunks(x))
    assert isinstance(counts, Tensor)
    block, levels = max(1, _ENTRIES // len(x)), []
    for first in range(0, source.d_sae, block):
        few = slice(first, first + block)
        part = type(source)(
            W_enc=source.W_enc[:, few],
            b_enc=source.b_enc[few],
            W_dec=source.W_dec[few],
            b_dec=source.b_dec,
            family="relu",
            conventions=source.conventions,
        )
        rows = [part.pre_activations(part.conventions.normalised(chunk)[0]) for chunk in part.chunks(x)]
        h = torch.cat(rows).sort(dim=0, descending=True).values
        edges = torch.cat([h, h.new_zeros(1, h.shape[1])]).clamp_min(0.0)
        fires = counts[few][None]
        kept, dropped = (edges.gather(0, (fires - offset).clamp_min(0))[0] for offset in (1, 0))
        # Between the last token on which it fires and the first on which it does not; silent ones stay silent.
        levels.append(torch.where(fires[0] > 0, (kept + dropped) / 2, edges[0]))
    return torch.cat(levels)


@torch.no_grad()
def _each(sae: SparseAutoencoder, x: Tensor) -> dict[str, Tensor]:
    """L0 and squared error of each vector [n, d_in], as float64 [n]."""
    counts, errors = [], []
    for chunk in sae.chunks(x):
        out = sae(chunk)
        counts.append((out.codes != 0).sum(1).double().cpu())
        errors.append((out.reconstruction - sae.target(chunk)).double().square().sum(1).cpu())
    return {"l0": torch.cat(counts), "mse": torch.cat(errors)}


def _spread(values: Tensor) -> tuple[float, float]:
    """The mean of [n] and half its 95% interval: Student's t over runs of neighbours, whose tokens are not independent.

    The method of batch means: neighbours come from one document, and a run holds several documents.
    """
    runs = torch.stack([run.mean() for run in values.tensor_split(min(RUNS, len(values)))])
    if len(runs) < 2:
        return float(values.mean()), math.inf
    return float(values.mean()), float(stdtrit(len(runs) - 1, 0.975)) * float(runs.std()) / math.sqrt(len(runs))


def _measured(values: Tensor) -> Measured:
    mean, half = _spread(values)
    return Measured(mean, mean - half, mean + half)


def _change(metric: str, after: Tensor, before: Tensor) -> Comparison:
    mean, half = _spread(after - before)
    return Comparison(metric, "before", mean, float(before.mean()), mean - half, mean + half, OVER)
