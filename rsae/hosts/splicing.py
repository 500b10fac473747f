"""What a replacement of hidden states does to a model's predictions, and the slope of that for every replaced vector.

The divergence is ``KL(clean || spliced)`` of next-token distributions. Clean and spliced passes end after the last
layer; the head, by far the largest part of a step's memory, is applied to a piece of their positions at a time: with p
and q of one piece, both the piece's divergence and its slope at the last layer are known, and the logits are dropped.
What is left is one backward pass from the last layer to the hook, the gradient of one vector-valued function:

    d KL / d x_hat = (d end / d x_hat)^T (d KL / d end)
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from rsae.hosts.dialects import logits_of, vocabulary_of
from rsae.hosts.hooks import Hook, layers_before, layers_of, reached, replacing
from rsae.hosts.host import Host, batched, evaluating
from rsae.hosts.replay import Replay

__all__ = ["Passage", "Splicing"]

_LOGITS_AT_ONCE = 2**24  # entries: 64 MiB in float32, of which a step holds about six
_PROBE = 16  # positions of the pass that shows whether the head stands apart from the layers
_TOLERANCE = 1e-4


class Splicing:
    """A host's forward pass from its hook on, with what replaces the hidden states there.

    Passes begin after the layers before the hook and end before the head where the model allows that, as `Replay` finds
    out; else they are whole, and all logits of a batch of contexts are in memory. ``entries`` bounds those of a piece.
    The model is in evaluation mode meanwhile, and none of its parameters gets a gradient.
    """

    def __init__(self, host: Host, contexts: Sequence[Sequence[int]], entries: int = _LOGITS_AT_ONCE) -> None:
        self.host, self.model = host, host.model
        self.layers = layers_of(self.model)
        names = {id(module): name for name, module in self.model.named_modules()}
        places = [names[id(layer)] for layer in self.layers]
        if not any(f"{host.hook.module}.".startswith(f"{place}.") for place in places):
            self.layers, places = [], []  # what lies behind the layers is not to be seen at their end
        self.last = Hook(places[-1], places[-1]) if places else None
        _, tokens, _ = next(batched(contexts[:1], 1, host.device))
        with evaluating(self.model):
            before = Replay(layers_before(self.model, host.hook))
            self.before = before.layers if before.agrees(self._logits, tokens) else []
            self._rest: tuple[Any, ...] | None = None  # what layers give besides hidden states, where that is a tuple
            if self.last is not None and not self._head_stands_apart(tokens[:, :_PROBE]):
                self.last = None
        self.positions = max(1, entries // vocabulary_of(self.model))

    def passage(self, contexts: Sequence[Sequence[int]]) -> "Passage":
        """The clean pass over a batch of contexts."""
        return Passage(self, contexts)

    def end(self, tokens: Tensor) -> Tensor:
        """Hidden states [batch, position, d] after the last layer; logits where the head can't be told from it."""
        return self._logits(tokens) if self.last is None else reached(self.model, self.last, tokens)

    def logits(self, end: Tensor) -> Tensor:
        """Logits [n, vocabulary] of positions [n, d] of an `end`."""
        if self.last is None:
            return end
        # No layer runs, so that what precedes them may be the tokens of any context of n positions.
        output = end[None] if self._rest is None else (end[None], *self._rest)
        with Replay(self.layers).giving(output):
            return self._logits(torch.zeros(1, len(end), dtype=torch.int64, device=end.device))[0]

    def _logits(self, tokens: Tensor) -> Tensor:
        return logits_of(self.model, tokens)

    def _head_stands_apart(self, tokens: Tensor) -> bool:
        """Whether logits are a function of one position's hidden state after the last layer, alone."""
        whole = self._logits(tokens)[0, 1:].float()
        noted = Replay(self.layers)
        try:
            with noted.noting():
                end = self.end(tokens)
            if isinstance(noted.outputs[0], tuple):
                self._rest = noted.outputs[0][1:]
            again = self.logits(end[0, 1:]).float()
        except Exception:  # whatever such a model raises: its passes are run whole
            return False
        slack = _TOLERANCE * float(whole.abs().max())
        return whole.shape == again.shape and torch.allclose(whole, again, rtol=0.0, atol=slack)


class Passage:
    """A batch of contexts after its clean pass: ``vectors`` [n, d_in] are the hidden states that may be replaced.

    Between two places they are rows, whose ends are replaced [n, d_out]. These are the ones that the harvest keeps: no
    first position, no outlier.
    """

    def __init__(self, splicing: Splicing, contexts: Sequence[Sequence[int]]) -> None:
        self._splicing = splicing
        host, model = splicing.host, splicing.model
        _, self._tokens, self._mask = next(batched(contexts, len(contexts), host.device))
        self._replay = Replay(splicing.before) if splicing.before else None
        self._longest = min(splicing.positions, self._tokens.shape[1])
        found: list[Tensor] = []

        def note(hidden: Tensor) -> Tensor:
            found.append(hidden)
            return host.target(hidden)

        noting = nullcontext() if self._replay is None else self._replay.noting()
        with evaluating(model), noting, replacing(model, host.hook, note):
            self._clean = splicing.end(self._tokens)[self._mask]
        self._chosen = self._mask & host.kept(found[0])
        self.vectors = found[0][self._chosen].float()

    def divergence(self, replacement: Tensor) -> tuple[Tensor, Tensor]:
        """The divergence in nats, mean over every position, with what stands at the hook replaced [n, d_out], and its
        gradient."""
        splicing, model = self._splicing, self._splicing.model
        new = replacement.detach().to(self._clean.device, torch.float32).requires_grad_()

        def spliced(hidden: Tensor) -> Tensor:
            return splicing.host.target(hidden).index_put((self._chosen,), new.to(hidden.dtype))

        replayed: AbstractContextManager[None] = nullcontext() if self._replay is None else self._replay.of(0)
        with evaluating(model), _fixed(model):
            with torch.enable_grad(), replayed, replacing(model, splicing.host.hook, spliced):
                end = splicing.end(self._tokens)[self._mask]
            total, slope = self._at_the_end(end.detach(), splicing.logits)
        (gradient,) = torch.autograd.grad(end, new, slope)
        return (total / len(end)).to(replacement.device), (gradient / len(end)).to(replacement.device)

    def _at_the_end(self, end: Tensor, logits: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Sum of the divergences of all positions, and its gradient for where the spliced pass ended."""
        total, slopes = torch.zeros((), device=end.device), []
        for clean, spliced in zip(self._clean.split(self._longest), end.split(self._longest), strict=True):
            spliced = spliced.requires_grad_()
            p = logits(clean).float().log_softmax(-1)
            with torch.enable_grad():
                q = logits(spliced).float().log_softmax(-1)
                found = (p.exp() * (p - q)).sum()
            total += found.detach()
            slopes += torch.autograd.grad(found, spliced)
        return total, torch.cat(slopes)


@contextmanager
def _fixed(model: nn.Module) -> Iterator[None]:
    """While active, no parameter asks for a gradient: none is kept for what is not trained."""
    asking = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in asking:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in asking:
            parameter.requires_grad_(True)
