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
from rsae.activations.ratio import norm_share
from rsae.sae.latents import Latents, among
from rsae.sae.support import Support
from rsae.training import entries
from rsae.training.entries import Places
from rsae.training.ranked import ranked

__all__ = ["Active", "active_above", "active_jump", "active_kept", "active_largest", "batch_level", "sparse_topk"]


class Active(NamedTuple):
    """Codes of a batch, entry by entry in row order: codes [n] (0 is possible), and where they lie.

    ``l0`` is the mean number of entries above their threshold, with a straight-through gradient where the gate has one.
    Of a share of the latents entries and places are those of the share, and l0 is that of all.
    """

    codes: Tensor
    places: Places
    l0: Tensor


def sparse_topk(h: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest entries [batch, count] of each row, in order, and their columns; the gradient for h is sparse."""
    order = _largest(h.detach(), count)
    rows = torch.arange(len(h), device=h.device).repeat_interleave(count)
    return entries.pick(h, Places(rows, order.reshape(-1), *h.shape)).view(len(h), count), order


def active_kept(support: Support, latents: Latents, activation: Activation | None, size: Tensor | None) -> Active:
    """Entries that a support of k places a row keeps.

    ``size`` [batch, 1], here and below, is ``|x - b_dec|`` for activations that read the norm share, and else None.
    """
    kept, tau, columns = support
    assert columns is not None
    codes = kept
    if activation is not None:
        share = None if size is None else _share(size, kept.square().sum(1, keepdim=True), latents)
        codes = activation.values(kept, tau, share)
    rows = torch.arange(len(kept), device=kept.device)[:, None].expand_as(columns)
    places = Places(rows.reshape(-1), columns.reshape(-1), len(kept), latents.held)
    return Active(codes.reshape(-1), places, latents.sum((kept.detach() > 0).sum() / len(kept)))


def active_largest(h: Tensor, k: int, latents: Latents, activation: Activation | None, size: Tensor | None) -> Active:
    """Of a share of the latents the positive entries that are among the k largest of their row, of all latents."""
    found, columns = h.detach(), _largest(h.detach(), min(k + 1, latents.held))
    found = found.gather(1, columns)
    kept, following = among(found, k)
    places, next_place = (_listed(mask, columns, latents.held) for mask in (kept & (found > 0), following))
    values = codes = entries.pick(h, places)
    if activation is not None:
        tau = latents.sum(entries.sums(entries.pick(h, next_place), next_place))  # one rank's; nought on the others
        share = _share_of_entries(size, values.square(), places, latents)
        codes = activation.values(values, entries.broadcast(latents.read(tau), places), share)
    return Active(codes, places, latents.sum(torch.tensor(len(values) / len(h))))


def active_above(
    h: Tensor, tau: Tensor, latents: Latents, activation: Activation | None, size: Tensor | None
) -> Active:
    """Entries above one threshold (a scalar, not negative) for all latents."""
    places = _where(h.detach() > tau)
    values = entries.pick(h, places)
    codes = values
    if activation is not None:
        codes = activation.values(values, tau, _share_of_entries(size, values.square(), places, latents))
    return Active(codes, places, latents.sum(torch.tensor(len(values) / len(h))))


@torch.no_grad()
def batch_level(h: Tensor, l0: float, latents: Latents, guess: Tensor | None = None) -> Tensor:
    """The threshold, not negative, above which pre-activations [batch, held] of all ranks have ``l0`` entries a row.

    It lies between the last entry that stays and the first that goes. ``guess``, the level of batches before, only
    saves time: entries far below it are not sorted.
    """
    entries, rows, group = h.flatten(), len(h) * ranks.data().count, ranks.everyone()
    count = min(max(1, round(rows * l0)), rows * latents.count - 1)
    if guess is not None:
        near = entries[entries > 0.8 * guess]
        if int(group.sum(torch.tensor(len(near)))) > count:
            entries = near
        elif int(group.sum((entries > 0).sum())) < count:
            return entries.new_zeros(())  # as at a ReLU's start, whose threshold is 0; nothing need be sorted for it
    if group.count == 1 and entries.device.type == "cpu":  # NumPy finds the two without sorting the others
        least = len(entries) - count - 1
        dropped, kept = torch.from_numpy(np.partition(entries.numpy(), (least, least + 1))[least : least + 2])
    else:
        kept, dropped = ranked(entries, count, group)
    return ((kept + dropped) / 2).clamp_min(0.0)


def active_jump(
    h: Tensor, theta: Tensor, width: float, latents: Latents, activation: Activation | None, size: Tensor | None
) -> Active:
    """Entries above their latent's threshold theta [held], with the rectangle straight-through gradient for theta.

    Entries within ``width / 2`` below the threshold are in the list too, with code 0: they carry the gradient of the
    jump, whose height is theta, times the rational's value at ratio 1 where there is one (sae-lens; Rajamanoharan et
    al. 2024, arXiv 2407.14435).
    """
    places = _where(h.detach() > theta.detach() - width / 2)
    values, cut = entries.pick(h, places), entries.spread(theta, places)
    if activation is None:
        codes, height = values, cut.detach()
    else:
        # A support that changes moves the token's norm, and with it every other code: theta has a part in that, too.
        power = cast(Tensor, _Jump.apply(values.square(), values, cut, cut.detach().square(), width))
        share = _share_of_entries(size, power, places, latents)
        codes = activation.values(values, cut, share)
        height = activation.values(cut, cut, share).detach()
    codes = cast(Tensor, _Jump.apply(codes, values, cut, height, width))
    ones = torch.ones_like(values)
    l0 = cast(Tensor, _Jump.apply(ones, values, cut, ones, width)).sum() / len(h)
    return Active(codes, places, latents.sum(l0))


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


def _listed(mask: Tensor, columns: Tensor, width: int) -> Places:
    """The places of a [rows, width] matrix that a mask [rows, c] marks among columns [rows, c]."""
    rows, slots = mask.nonzero(as_tuple=True)
    return Places(rows, columns[rows, slots], len(mask), width)


def _share(size: Tensor, power: Tensor, latents: Latents) -> Tensor:
    """The norm share [batch, 1] from ``|x - b_dec|`` and what these latents add to ``|h_S|^2``, both [batch, 1]."""
    return latents.read(norm_share(size, latents.sum(power).clamp_min(1e-24).sqrt()))


def _share_of_entries(size: Tensor | None, squares: Tensor, places: Places, latents: Latents) -> Tensor | None:
    if size is None:
        return None
    return entries.broadcast(_share(size, entries.sums(squares, places)[:, None], latents)[:, 0], places)


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
