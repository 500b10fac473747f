"""The codes of a training batch as a list of active entries: what is off the support is never computed.

Of a [batch, d_sae] matrix of codes a few per cent are non-zero. Here they are held as flat entries with their columns,
row by row, so that the rational is evaluated, decoded and differentiated on them alone. Decoder rows have norm 1.
"""

from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from rsae import ranks
from rsae.activations.paper import Activation
from rsae.sae.groupmax import group_maxima
from rsae.training import entries
from rsae.training.entries import Places

__all__ = ["Active", "active_above", "active_groupmax", "active_jump", "active_topk", "batch_level", "decode"]


class Active(NamedTuple):
    """Codes of a batch, entry by entry, in row order.

    codes [n] (0 is possible), columns [n], rows [n], size (number of rows), and l0: the mean number of entries above
    their threshold, with a straight-through gradient where the gate has one. ``known``: the same as `Places`.
    """

    codes: Tensor
    columns: Tensor
    rows: Tensor
    size: int
    l0: Tensor
    known: Places | None = None

    def places(self, d_sae: int) -> Places:
        """Where the codes lie."""
        return self.known or Places(self.rows, self.columns, self.size, d_sae)


def decode(active: Active, weights: Tensor) -> Tensor:
    """``W_dec^T z`` [batch, d_in] from entries and decoder rows [d_sae, d_in]."""
    return entries.decode(active.codes, active.places(len(weights)), weights)


def active_topk(h: Tensor, k: int, activation: Activation | None, size: Tensor | None) -> Active:
    """The k largest pre-activations of each row, where positive; tau is the (k+1)-th.

    ``size`` [batch, 1] is ``|x - b_dec|``, for activations that read the norm share.
    """
    count = min(k + 1, h.shape[1])
    order = _largest(h.detach(), count)
    rows = torch.arange(len(h), device=h.device).repeat_interleave(count)
    largest = entries.pick(h, Places(rows, order.reshape(-1), *h.shape)).view(len(h), count)
    kept = largest[:, :k].clamp_min(0.0)
    tau = largest[:, k:] if count > k else torch.zeros_like(largest[:, :1])
    l0 = (kept.detach() > 0).sum() / len(h)
    codes = _gated(kept, tau, activation, size)
    rows = rows.view(len(h), count)[:, : codes.shape[1]].reshape(-1)
    places = Places(rows, order[:, :k].reshape(-1), *h.shape)
    return Active(codes.reshape(-1), places.columns, rows, len(h), l0, places)


def active_groupmax(h: Tensor, k: int, activation: Activation | None, size: Tensor | None) -> Active:
    """The largest pre-activation of each of k groups, where positive; tau is the group's runner-up."""
    largest, tau, columns = group_maxima(h, k)
    kept = largest.clamp_min(0.0)
    codes = _gated(kept, tau, activation, size)
    rows = torch.arange(len(h), device=h.device)[:, None].expand_as(codes)
    return Active(codes.reshape(-1), columns.reshape(-1), rows.reshape(-1), len(h), (kept > 0).sum() / len(h))


def active_above(h: Tensor, tau: Tensor, activation: Activation | None, size: Tensor | None) -> Active:
    """Entries above one threshold (a scalar, not negative) for all latents."""
    places = _where(h.detach() > tau)
    rows, columns = places.rows, places.columns
    values = entries.pick(h, places)
    codes = values
    if activation is not None:
        codes = activation.values(values, tau, _share_of_entries(activation, size, values.square(), places))
    return Active(codes, columns, rows, len(h), torch.tensor(len(values) / len(h)), places)


@torch.no_grad()
def batch_level(h: Tensor, l0: float, guess: Tensor | None = None) -> Tensor:
    """The threshold, not negative, above which pre-activations [batch, d_sae] of all ranks have ``l0`` entries a row.

    It lies between the last entry that stays and the first that goes. ``guess``, the level of batches before, only
    saves time: entries far below it are not sorted.
    """
    entries = h.flatten()
    count = min(max(1, round(len(h) * ranks.count() * l0)), entries.numel() * ranks.count() - 1)
    wanted = min(count + 1, entries.numel())
    if guess is not None:
        near = entries[entries > 0.8 * guess]
        if len(near) >= wanted:
            entries = near
        elif ranks.count() == 1 and int((entries > 0).sum()) < count:
            return entries.new_zeros(())  # as at a ReLU's start, whose threshold is 0; nothing need be sorted for it
    if ranks.count() == 1 and entries.device.type == "cpu":  # NumPy finds the two without sorting the others
        least = len(entries) - wanted
        dropped, kept = torch.from_numpy(np.partition(entries.numpy(), (least, least + 1))[least : least + 2])
    else:
        kept, dropped = ranks.gathered(entries.topk(wanted).values).topk(count + 1).values[-2:]
    return ((kept + dropped) / 2).clamp_min(0.0)


def active_jump(h: Tensor, theta: Tensor, width: float, activation: Activation | None, size: Tensor | None) -> Active:
    """Entries above their latent's threshold theta [d_sae], with the rectangle straight-through gradient for theta.

    Entries within ``width / 2`` below the threshold are in the list too, with code 0: they carry the gradient of the
    jump, whose height is theta, times the rational's value at ratio 1 where there is one (sae-lens; Rajamanoharan et
    al. 2024, arXiv 2407.14435).
    """
    places = _where(h.detach() > theta.detach() - width / 2)
    rows, columns = places.rows, places.columns
    values, cut = entries.pick(h, places), entries.spread(theta, places)
    if activation is None:
        codes, height = values, cut.detach()
    else:
        # A support that changes moves the token's norm, and with it every other code: theta has a part in that, too.
        power = cast(Tensor, _Jump.apply(values.square(), values, cut, cut.detach().square(), width))
        share = _share_of_entries(activation, size, power, places)
        codes = activation.values(values, cut, share)
        height = activation.values(cut, cut, share).detach()
    codes = cast(Tensor, _Jump.apply(codes, values, cut, height, width))
    ones = torch.ones_like(values)
    l0 = cast(Tensor, _Jump.apply(ones, values, cut, ones, width)).sum() / len(h)
    return Active(codes, columns, rows, len(h), l0, places)


def _largest(h: Tensor, count: int) -> Tensor:
    """The columns [batch, count] of the largest entries of each row of h [batch, d_sae], the largest first.

    Columns that lie ``d_sae / fold`` apart form a group. The largest entries lie in the ``count`` groups whose largest
    entries are largest: two searches in short lists instead of one in a long one.
    """
    size, width = h.shape
    fold = 8 if width < 8_192 else 16
    if width % fold or 2 * count * fold > width:
        return h.topk(count, dim=1).indices
    groups = h.view(size, fold, width // fold)
    best = _chosen(groups.amax(1), count)
    members = groups.gather(2, best[:, None].expand(size, fold, count)).reshape(size, fold * count)
    inside = _chosen(members, count)
    inside = inside.gather(1, members.gather(1, inside).argsort(dim=1, descending=True))
    return inside // count * (width // fold) + best.gather(1, inside % count)


def _chosen(x: Tensor, count: int) -> Tensor:
    """The columns [n, count] of the largest entries of each row of x [n, m], in no order.

    NumPy finds the level that ``count`` entries of a row reach several times faster than torch sorts them out. Where
    equal entries leave more of them than were asked for, in any row, torch decides.
    """
    if x.device.type == "cpu" and x.dtype == torch.float32:
        values, least = x.numpy(), x.shape[1] - count
        level = np.partition(values, least, axis=1)[:, least]
        places = np.flatnonzero(values >= level[:, None])
        if len(places) == len(x) * count:
            return torch.from_numpy(places.reshape(len(x), count) % x.shape[1])
    return x.topk(count, dim=1, sorted=False).indices


def _where(mask: Tensor) -> Places:
    rows, columns = mask.nonzero(as_tuple=True)
    return Places(rows, columns, *mask.shape)


def _gated(kept: Tensor, tau: Tensor, activation: Activation | None, size: Tensor | None) -> Tensor:
    """The codes [batch, k] of entries that a row keeps."""
    if activation is None:
        return kept
    return activation.values(kept, tau, _share(activation, size, kept.square().sum(1, keepdim=True)))


def _share(activation: Activation, size: Tensor | None, power: Tensor) -> Tensor | None:
    """``q = |x - b_dec| / (|x - b_dec| + |h_S|)`` from ``|x - b_dec|`` and ``|h_S|^2``, both [batch, 1]."""
    if "norm" not in activation.inputs:
        return None
    assert size is not None
    return size / (size + power.clamp_min(1e-24).sqrt()).clamp_min(1e-12)


def _share_of_entries(activation: Activation, size: Tensor | None, squares: Tensor, places: Places) -> Tensor | None:
    if "norm" not in activation.inputs:
        return None
    assert size is not None
    power = entries.sums(squares, places)
    share = _share(activation, size, power[:, None])
    return None if share is None else entries.broadcast(share[:, 0], places)


class _Jump(torch.autograd.Function):
    """``value * (h > theta)``; theta receives minus height / width where ``|h - theta| < width / 2``."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, h: Tensor, theta: Tensor, height: Tensor, width: float) -> Tensor:
        ctx.save_for_backward(h, theta, height)
        ctx.width = width
        return value * (h > theta)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        h, theta, height = ctx.saved_tensors
        near = (h - theta).abs() < ctx.width / 2
        return grad * (h > theta), None, torch.where(near, -height / ctx.width * grad, 0.0), None, None
