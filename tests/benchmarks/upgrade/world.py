"""A world of known features for the study of features: sparse, overlapping, correlated and hierarchical.

A hidden state is ``x = sum_i s_i d_i + c + noise``. With the numbers of `World`:

- **Directions** ``d_i`` are random, of norm 1, several times as many as dimensions: they overlap (superposition).
- **Firing**: feature i of rank r fires at a rate ``~ (r + 3)^-0.8`` (a power law), scaled to a given mean count.
- **Correlation**: features come in groups of eight that share a Gaussian factor; a feature fires where
  ``sqrt(0.3) g + sqrt(0.7) e`` exceeds its quantile (a Gaussian copula), so that rates stay what they are.
- **Hierarchy**: each of the first parents has two children, which fire only where it does, there with probability 0.4.
- **Strengths** ``s_i`` are ``0.5 + Exp(0.5)`` where a feature fires, independent of all else, and 0 elsewhere.
- **Noise** has a standard deviation of 0.05 a dimension; ``c`` is a constant vector.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rsae.evaluation.truth import Known

__all__ = ["World"]

GROUP, SHARED, GIVEN = 8, 0.3, 0.4


@dataclass(frozen=True)
class World:
    """Features of a world: a seed makes another one, with other directions and other groups.

    >>> x, known = World(d_in=16, features=40, parents=4, active=3.0).draw(1000)
    >>> x.shape, known.strengths.shape, int((known.parents >= 0).sum())
    (torch.Size([1000, 16]), torch.Size([1000, 40]), 8)
    """

    d_in: int = 64
    features: int = 256
    parents: int = 32
    active: float = 6.0
    seed: int = 0

    def directions(self) -> Tensor:
        """Unit directions [features, d_in]."""
        return torch.nn.functional.normalize(torch.randn(self.features, self.d_in, generator=self._random(0)), dim=1)

    def above(self) -> Tensor:
        """The parent of each feature, -1 for none: the last features are the children, two of each parent."""
        found = torch.full((self.features,), -1)
        found[self.features - 2 * self.parents :] = torch.arange(self.parents).repeat(2)
        return found

    def rates(self) -> Tensor:
        """How often each feature fires [features]; parents are not the most frequent, nor the rarest."""
        free = self.features - 2 * self.parents
        falling = (torch.arange(free) + 3.0).pow(-0.8)
        order = torch.randperm(free, generator=self._random(1))
        falling = falling[order]
        # A parent brings GIVEN times its two children along.
        weight = torch.ones(free)
        weight[: self.parents] += 2 * GIVEN
        falling = falling * (self.active / (falling * weight).sum())
        return torch.cat([falling, GIVEN * falling[: self.parents].repeat(2)])

    def groups(self) -> Tensor:
        """The group of each feature [features], eight in each."""
        return torch.randperm(self.features, generator=self._random(2)) // GROUP

    def draw(self, vectors: int, draw: int = 0) -> tuple[Tensor, Known]:
        """That many hidden states [vectors, d_in], and the truth about them; another ``draw`` of the same world."""
        random, above = self._random(3 + draw), self.above()
        children = above >= 0
        rates = self.rates()
        rates[children] = GIVEN
        group = self.groups()
        factor = torch.randn(vectors, int(group.max()) + 1, generator=random)
        own = torch.randn(vectors, self.features, generator=random)
        fires = SHARED**0.5 * factor[:, group] + (1 - SHARED) ** 0.5 * own > torch.special.ndtri(1 - rates)
        fires[:, children] &= fires[:, above[children]]
        strengths = fires * (0.5 - 0.5 * torch.rand(fires.shape, generator=random).clamp_min(1e-6).log())
        noise = 0.05 * torch.randn(vectors, self.d_in, generator=random)
        directions = self.directions()
        return strengths @ directions + 0.3 + noise, Known(strengths, directions, above)

    def _random(self, use: int) -> torch.Generator:
        return torch.Generator().manual_seed(1_000 * self.seed + use)
