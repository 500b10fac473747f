"""`Latents`: which of an SAE's latents a process holds, and what it takes for a sum over all of them.

Several processes share an SAE out by its latents. A share is an SAE like any other, with the rows of W_dec, the columns
of W_enc, the biases and thresholds of its latents. Its pre-activations need nothing of the others. With L the sum over
ranks of what each has a part of, and B what all of them read (docs/upgrading/sharing-out.md has all of it)::

    x_hat = L(W_dec^T z) + b_dec        L: forward the sum over ranks, backward the identity
    h     = W_enc^T (x - B(b_dec)) + b_enc        B: forward the identity, backward the sum over ranks

so that everything that is not of a latent is the same on every rank, with the same gradient.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rsae import ranks

__all__ = ["Latents", "among"]


@dataclass(frozen=True)
class Latents:
    """Of ``count`` latents those from ``first`` on, ``held`` of them; ``origin`` is the SHA-256 of the whole."""

    count: int
    first: int
    held: int
    origin: str = ""

    @property
    def shared(self) -> bool:
        """Whether other processes hold the others."""
        return self.held < self.count

    @property
    def most(self) -> int:
        """The latents of the largest share."""
        return -(-self.count // self.group.count)

    @property
    def group(self) -> ranks.Group:
        """The processes that hold them.  Raises RuntimeError where these have parted."""
        group = ranks.latents() if self.shared else ranks.alone()
        if self.shared and group.count == 1:
            raise RuntimeError(
                f"this SAE is a share of {self.held} of {self.count} latents, whose processes have parted; use it, or "
                "gather it with rsae.sae.division.whole, inside rsae.ranks.joined"
            )
        return group

    def sum(self, part: Tensor) -> Tensor:
        """The sum over all latents of what this share adds; differentiable, see `rsae.ranks.Group.summed`."""
        return self.group.summed(part)

    def read(self, value: Tensor) -> Tensor:
        """What is the same everywhere, read by this share; differentiable, see `rsae.ranks.Group.shared`."""
        return self.group.shared(value)

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all latents of values [held]; differentiable."""
        return self.sum(values.sum()) / self.count if self.shared else values.mean()

    def norm(self, codes: Tensor) -> Tensor:
        """The norm [..., 1] of codes [..., held] over all latents."""
        if not self.shared:
            return codes.norm(dim=-1, keepdim=True)
        return self.sum(codes.square().sum(-1, keepdim=True)).sqrt()

    def all(self, values: Tensor, axis: int = 0) -> Tensor:
        """The values of all latents, of which ``values`` has those of this share along an axis; without gradient."""
        if not self.shared:
            return values
        with torch.no_grad(), ranks.together():
            found: Tensor = ranks.placed(values, axis % values.ndim, self.count).full_tensor()
        return found

    def at(self, values: Tensor, numbers: Tensor) -> Tensor:
        """Of values [held, ...] those of the latents ``numbers`` [m] of all, on every rank; without gradient."""
        mine = (numbers >= self.first) & (numbers < self.first + self.held)
        found = values.new_zeros(len(numbers), *values.shape[1:])
        found[mine] = values.detach()[numbers[mine] - self.first]
        return self.group.sum(found)

    def joined(self, entries: Tensor) -> Tensor:
        """The entries [n] of all ranks, of which n may differ, one rank's after another's; without gradient."""
        counts = torch.zeros(self.group.count, dtype=torch.int64, device=entries.device)
        counts[self.group.rank] = len(entries)
        counts = self.group.sum(counts)
        found = entries.new_zeros(int(counts.sum()))
        found[int(counts[: self.group.rank].sum()) :][: len(entries)] = entries.detach()
        return self.group.sum(found)

    def own(self, values: Tensor, axis: int = 0) -> Tensor:
        """Of values of all latents along an axis those of this share."""
        return values.narrow(axis, self.first, self.held) if self.shared else values

    def below(self, width: int) -> int:
        """How many of this share's latents are among the first ``width`` of all."""
        return min(max(width - self.first, 0), self.held)


def among(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Which of every rank's largest entries [rows, c], in order, are the k largest of all, and which is the next one.

    Two masks of the same shape. Each rank looks at its part of the rows: it receives the candidates of that part from
    all ranks, orders them once, and tells every rank how many of its own are in. So a rank sends as much as it has,
    however many ranks there are. Of equal entries those of the lower latents go first.
    """
    group, (rows, width) = ranks.latents(), values.shape
    part = -(-rows // group.count)
    offered = values.new_full((group.count * part, k + 1), -torch.inf)
    offered[:rows, :width] = values[:, : k + 1]
    received = group.exchange(offered.view(group.count, part, k + 1)).transpose(0, 1).flatten(1)
    best, order = received.sort(dim=1, descending=True, stable=True)
    source = order[:, : k + 1] // (k + 1)
    kept = torch.zeros(part, group.count, dtype=torch.int32, device=values.device)
    one = torch.ones_like(source, dtype=torch.int32)
    kept.scatter_add_(1, source[:, :k], one[:, :k])
    following = torch.zeros_like(kept).scatter_(1, source[:, k:], (best[:, k : k + 1] > -torch.inf).int())
    answers = group.exchange(torch.stack([kept, following], 2).transpose(0, 1)).flatten(0, 1)[:rows]
    place = torch.arange(width, device=values.device)
    return place < answers[:, :1], (place == answers[:, :1]) & (answers[:, 1:] > 0)
