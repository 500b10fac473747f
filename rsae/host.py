"""The host: a language model with a sparse autoencoder spliced in, and what that costs in cross-entropy."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from rsae.hooks import Hook, capture, replacing, resolve_hook

__all__ = ["Host", "batched", "evaluating"]

_LOGITS_AT_ONCE = 2**26  # entries of one batch's logits: 256 MiB in float32


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """While active, the model is in evaluation mode (no dropout) and no gradient is recorded."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def batched(
    contexts: Sequence[Sequence[int]], batch_size: int, device: torch.device
) -> Iterator[tuple[list[int], Tensor, Tensor]]:
    """Batches of contexts of similar length: indices, tokens [batch, position], mask (False: padding on the right)."""
    order = sorted(range(len(contexts)), key=lambda i: -len(contexts[i]))
    for first in range(0, len(order), batch_size):
        chosen = order[first : first + batch_size]
        lengths = torch.tensor([len(contexts[i]) for i in chosen])
        width = int(lengths.max())
        tokens = torch.tensor([[*contexts[i], *[0] * (width - len(contexts[i]))] for i in chosen])
        mask = torch.arange(width) < lengths[:, None]
        yield chosen, tokens.to(device), mask.to(device)


class Host:
    """A causal language model, a place in it, and held-out contexts on which losses are measured.

    A loss is the mean cross-entropy in nats of every next token of every context. Where hidden states are replaced, the
    first position of each context, and positions whose norm exceeds ``outlier_norm``, stay as they were: the same
    positions that the harvest excludes. Right padding is neither replaced nor counted.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        hook: str | Hook,
        contexts: Sequence[Sequence[int]] = (),
        *,
        outlier_norm: float | None = None,
    ):
        self.model = model
        self.tokenizer = tokenizer
        self.hook = hook if isinstance(hook, Hook) else resolve_hook(model, hook)
        self.contexts = [list(context) for context in contexts if len(context) > 1]
        self.outlier_norm = outlier_norm
        self._known: dict[str, float] = {}

    @property
    def device(self) -> torch.device:
        """Where the model's parameters lie."""
        return next(self.model.parameters()).device

    @property
    def d_in(self) -> int:
        """Length of a hidden state at the hook."""
        with evaluating(self.model):
            return capture(self.model, self.hook, torch.zeros(1, 1, dtype=torch.int64, device=self.device)).shape[-1]

    @property
    def predicted_tokens(self) -> int:
        """Over how many predicted tokens the losses are means."""
        return sum(len(context) - 1 for context in self.contexts)

    @property
    def definition(self) -> str:
        """What the losses are, in one sentence for a report."""
        kept = "the first position of each context"
        if self.outlier_norm is not None:
            kept += f" and positions of norm above {self.outlier_norm:.6g}"
        return (
            f"mean cross-entropy in nats a token over {self.predicted_tokens} next tokens of {len(self.contexts)} "
            f"held-out contexts; where hidden states at {self.hook.name} are replaced, {kept} stay as they were"
        )

    def hidden_states(self, contexts: Sequence[Sequence[int]], batch_size: int = 16) -> Iterator[tuple[int, Tensor]]:
        """Pairs (index of a context, hidden states [position, d_in] at the hook); the forward pass stops there."""
        with evaluating(self.model):
            for chosen, tokens, _ in batched(contexts, batch_size, self.device):
                states = capture(self.model, self.hook, tokens)
                for row, i in enumerate(chosen):
                    yield i, states[row, : len(contexts[i])]

    def loss(self, replace: Callable[[Tensor], Tensor] | None = None) -> float:
        """Cross-entropy, in nats a token, with the hidden states [n, d_in] at the hook put through ``replace``."""
        if not self.contexts:
            raise ValueError("the host has no held-out contexts to measure a loss on; harvest with held_out above 0")
        vocabulary = self.model.get_input_embeddings().weight.shape[0]
        longest = max(map(len, self.contexts))
        batch_size = max(1, min(16, _LOGITS_AT_ONCE // (vocabulary * longest)))
        total = 0.0
        with evaluating(self.model):
            for _, tokens, mask in batched(self.contexts, batch_size, self.device):
                with self._spliced(replace, mask):
                    logits = self.model(input_ids=tokens, use_cache=False).logits
                targets = tokens[:, 1:].masked_fill(~mask[:, 1:], -100)
                total += nn.functional.cross_entropy(
                    logits[:, :-1].float().flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="sum"
                ).item()
        return total / self.predicted_tokens

    def _spliced(self, replace: Callable[[Tensor], Tensor] | None, mask: Tensor) -> AbstractContextManager[None]:
        if replace is None:
            return nullcontext()

        def spliced(hidden: Tensor) -> Tensor:
            chosen = mask.clone()
            chosen[:, 0] = False
            if self.outlier_norm is not None:
                chosen &= hidden.float().norm(dim=-1) <= self.outlier_norm
            new = hidden.clone()
            new[chosen] = replace(hidden[chosen]).to(hidden)
            return new

        return replacing(self.model, self.hook, spliced)

    def clean_loss(self) -> float:
        """Cross-entropy of the untouched model, in nats a token; measured once."""
        if "clean" not in self._known:
            self._known["clean"] = self.loss()
        return self._known["clean"]

    def zero_ablated_loss(self) -> float:
        """Cross-entropy with zeros at the hook, in nats a token; measured once."""
        if "zero" not in self._known:
            self._known["zero"] = self.loss(torch.zeros_like)
        return self._known["zero"]

    def spliced_loss(self, sae: nn.Module) -> float:
        """Cross-entropy with the reconstruction of ``sae`` at the hook, in nats a token."""
        home = next(sae.parameters()).device

        def reconstruct(hidden: Tensor) -> Tensor:
            return sae(hidden.to(home, torch.float32)).reconstruction

        return self.loss(reconstruct)
