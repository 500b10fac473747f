"""What each latent is about, for people who read it: where it fires, how strongly, and which tokens it speaks for."""

import math
from collections.abc import Sequence
from itertools import groupby, pairwise, takewhile
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rsae.evaluation.continuity import Continuity, Places
from rsae.hosts.dialects import dtype_of
from rsae.hosts.hooks import layers_of
from rsae.hosts.host import Host, evaluating
from rsae.hosts.splicing import Splicing
from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["BINS", "LATENTS", "LEVELS", "PROMOTED", "Activity", "activity", "codes_at", "contexts_of", "promoted"]

BINS, LEVELS = 12, 5
LATENTS = 2500  # no more have their contexts in a report: the page would become too large to open on a phone
_SHOWN, _LEFT, _RIGHT = 3, 12, 5  # contexts a latent and SAE; tokens before and after the one that fires
_TOP = 8
PROMOTED = (
    "the decoder row, scaled to the mean norm of the hidden states, put through the model's own final norm and "
    "unembedding as if it were the whole residual stream, minus what a zero vector gives there, minus the mean over "
    "the vocabulary; what the layers in between do with it is left out"
)


class Activity(NamedTuple):
    """Per latent, on the same tokens before and after: tensors [d_sae], and [d_sae, BINS].

    maximum: the largest code after. counts: how many codes after lie in each of `BINS` equal bins from 0 to that.
    cofiring: of the tokens on which either fires, the share on which both do; NaN where none does.
    """

    maximum: Tensor
    counts: Tensor
    cofiring: Tensor

    def to_json(self, shown: Sequence[int]) -> dict[str, Any]:
        """A tree of plain values for a report; the counts of the latents ``shown`` alone."""
        counts = {str(latent): self.counts[latent].tolist() for latent in shown}
        values = {name: [_short(value) for value in getattr(self, name).tolist()] for name in ("maximum", "cofiring")}
        return {**values, "counts": counts}


@torch.no_grad()
def activity(before: SparseAutoencoder, after: SparseAutoencoder, x: Tensor, found: Continuity) -> Activity:
    """How two SAEs' latents fire on hidden states [n, d_in], of which ``found`` has the strongest tokens.

    >>> from rsae.evaluation.continuity import continuity
    >>> eye, zero = torch.eye(2), torch.zeros(2)
    >>> sae = SparseAutoencoder(W_enc=eye, b_enc=zero, W_dec=eye, b_dec=zero, family="relu")
    >>> x = torch.tensor([[1.0, 0.0], [2.0, 0.0], [4.0, 3.0]])
    >>> maximum, counts, cofiring = activity(sae, sae, x, continuity(sae, sae, x, top=1))
    >>> maximum.tolist(), counts[0].tolist(), cofiring.tolist()
    ([4.0, 3.0], [0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1], [1.0, 1.0])
    """
    first, latents = found.strongest_after[:, 0].cpu(), torch.arange(after.d_sae)
    fires = first >= 0
    maximum = torch.zeros(after.d_sae)
    maximum[fires] = codes_at(after, x, first[fires], latents[fires])
    held, gathered = after.latents.held, after.latents.all
    counts = torch.zeros(held * BINS, dtype=torch.int64)
    both, either = torch.zeros(held), torch.zeros(held)
    scale = BINS / after.latents.own(maximum).clamp_min(torch.finfo(torch.float32).tiny)
    for chunk in after.chunks(x):
        codes = after.encode(chunk)
        ours, theirs = codes > after.tolerance, before.encode(chunk) > before.tolerance
        both += (ours & theirs).sum(0).cpu()
        either += (ours | theirs).sum(0).cpu()
        where = ours.nonzero()[:, 1]
        bins = (codes[ours] * scale.to(codes.device)[where]).long().clamp(0, BINS - 1)
        counts += torch.bincount(where * BINS + bins, minlength=len(counts)).cpu()
    return Activity(maximum, gathered(counts.view(-1, BINS)), gathered(both / either))


@torch.no_grad()
def codes_at(sae: SparseAutoencoder, x: Tensor, rows: Tensor, latents: Tensor) -> Tensor:
    """The codes [m] of some latents [m] on some rows [m] of hidden states; each row is encoded once."""
    needed, place = rows.unique(return_inverse=True)
    values, start, own = torch.zeros(len(rows)), 0, sae.latents
    held = (latents >= own.first) & (latents < own.first + own.held)
    order = place.argsort()
    for chunk in sae.chunks(x[needed]):
        low, high = (int(torch.searchsorted(place[order], end)) for end in (start, start + len(chunk)))
        mine = order[low:high]
        mine = mine[held[mine]]
        values[mine] = sae.encode(chunk).cpu()[place[mine] - start, latents[mine] - own.first]
        start += len(chunk)
    return own.group.sum(values)


@torch.no_grad()
def promoted(sae: SparseAutoencoder, host: Host, latents: Sequence[int], norm: float) -> dict[str, list[list[Any]]]:
    """For each latent the `_TOP` tokens whose logit its decoder row raises most, as ``[token, logit]``: `PROMOTED`.

    ``norm`` is the mean norm of the hidden states. Empty where the SAE is not in the residual stream, between layers,
    since its rows are then no directions of what the head reads, and where the head cannot be run apart from them.
    """
    names = {name for name, module in host.model.named_modules() if module in layers_of(host.model)}
    if host.hook.module not in names or not host.contexts or host.tokenizer is None:
        return {}
    splicing = Splicing(host, host.contexts)
    if splicing.last is None:
        return {}
    dtype, found = dtype_of(host.model), {}
    chosen = torch.tensor(latents, dtype=torch.int64, device=sae.W_dec.device)
    rows = torch.nn.functional.normalize(sae.latents.at(sae.W_dec, chosen), dim=1) * norm
    with evaluating(host.model):
        none = splicing.logits(torch.zeros(1, sae.d_in, dtype=dtype, device=host.device)).float()
        for numbers, part in zip(
            torch.tensor(latents).split(splicing.positions), rows.split(splicing.positions), strict=True
        ):
            logits = splicing.logits(part.to(host.device, dtype)).float() - none
            values, tokens = logits.topk(min(_TOP, logits.shape[1]), dim=1)
            values = values - logits.mean(1, keepdim=True)
            for latent, best, sizes in zip(numbers.tolist(), tokens.tolist(), values.tolist(), strict=True):
                words = [_word(token, host) for token in best]
                found[str(latent)] = [[word, float(f"{size:.3g}")] for word, size in zip(words, sizes, strict=True)]
    return found


@torch.no_grad()
def contexts_of(
    sae: SparseAutoencoder, found: Continuity, where: Places, host: Host, latents: Sequence[int], maximum: Tensor
) -> dict[str, list[list[Any]]]:
    """For each of some latents the contexts of its strongest tokens, before and after.

    Keys are latents; an entry is ``[left, token, right, rank before, rank after]``, ranks from 1, None if not among the
    first three. Each of the first three is a list of ``[text, level]``: the code of ``sae`` on each of the text's
    tokens as a level from 0 (it does not fire) to `LEVELS`, in equal parts of the latent's largest code ``maximum``.
    """
    row_of = {key: row for row, key in enumerate(zip(where.context.tolist(), where.position.tolist(), strict=True))}
    entries: list[tuple[int, int, int | None, int | None]] = []
    strongest = [rows[:, :_SHOWN].tolist() for rows in (found.strongest_before, found.strongest_after)]
    for latent in latents:
        ranks = [{token: rank for rank, token in enumerate(rows[latent], 1) if token >= 0} for rows in strongest]
        for token in dict.fromkeys([*ranks[0], *ranks[1]]):
            entries.append((latent, token, ranks[0].get(token), ranks[1].get(token)))
    places = [_window(token, where, host) for _, token, _, _ in entries]
    pairs = [
        (number, at, row_of[context, at])
        for number, (context, start, end) in enumerate(places)
        for at in range(start, end)
        if (context, at) in row_of
    ]
    rows = torch.tensor([row for _, _, row in pairs], dtype=torch.int64)
    of = torch.tensor([entries[number][0] for number, _, _ in pairs], dtype=torch.int64)
    shares = codes_at(sae, where.states, rows, of) / maximum[of].clamp_min(torch.finfo(torch.float32).tiny)
    levels = (shares * LEVELS).ceil().clamp(0, LEVELS).long().tolist()
    known = {(number, at): level for (number, at, _), level in zip(pairs, levels, strict=True)}
    shown: dict[str, list[list[Any]]] = {str(latent): [] for latent in latents}
    for number, (latent, token, first, second) in enumerate(entries):
        context, start, end = places[number]
        shades = [known.get((number, at), 0) for at in range(start, end)]
        middle = int(where.position[token]) - start
        shown[str(latent)].append([*_pieces(host.contexts[context][start:end], shades, middle, host), first, second])
    return shown


def _window(token: int, where: Places, host: Host) -> tuple[int, int, int]:
    """The context of a token, and the positions from which and to which it is shown."""
    context, at = int(where.context[token]), int(where.position[token])
    return context, max(0, at - _LEFT), min(len(host.contexts[context]), at + 1 + _RIGHT)


def _pieces(tokens: Sequence[int], levels: Sequence[int], middle: int, host: Host) -> list[list[list[Any]]]:
    """The text left of a token, the token, and the text right of it: runs of tokens of one level, ``[text, level]``.

    Tokens are decoded together with all before them and cut: one that is decoded alone may lose its leading space.
    """
    sides = [(at > middle) - (at < middle) for at in range(len(tokens))]
    runs = [
        (key, list(run)[-1] + 1) for key, run in groupby(range(len(tokens)), key=lambda at: (sides[at], levels[at]))
    ]
    texts = ["", *(host.tokenizer.decode(tokens[:end]) for _, end in runs)]
    # The common beginning, not the length: half a character at the end of a piece is decoded as another one.
    starts = [*(_common(text, longer) for text, longer in pairwise(texts)), len(texts[-1])]
    parts: dict[int, list[list[Any]]] = {-1: [], 0: [], 1: []}
    for ((side, level), _), text, start, end in zip(runs, texts[1:], starts, starts[1:], strict=False):
        parts[side].append([text[start:] if side == 0 else text[start:end], level])
    return list(parts.values())


def _word(token: int, host: Host) -> str:
    """The text of a token as it stands in a text: one that is decoded alone may lose its leading space."""
    before = host.contexts[0][:1]
    alone, together = host.tokenizer.decode(before), host.tokenizer.decode([*before, token])
    return str(together[_common(alone, together) :])


def _common(first: str, second: str) -> int:
    """How many characters two texts share from their beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def _short(value: float) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None
