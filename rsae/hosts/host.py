"""The host: a language model with a sparse autoencoder spliced in, and what that costs in cross-entropy."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rsae.hosts.dialects import logits_of, longest_of, unwrapped, vocabulary_of
from rsae.hosts.hooks import Between, Hook, capture, layers_before, layers_of, replacing, resolve_hook
from rsae.hosts.replay import Replay

__all__ = ["Host", "as_host", "batched", "evaluating"]

_KL_TOKENS = 8_192  # each needs two sets of logits
_KEPT_TOKENS = 65_536  # of more, hidden states would take too much of the model's memory to keep them
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
        rows = [torch.from_numpy(np.asarray(contexts[i], dtype=np.int64)) for i in chosen]
        tokens = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        mask = torch.arange(tokens.shape[1]) < torch.tensor([len(row) for row in rows])[:, None]
        yield chosen, tokens.to(device), mask.to(device)


class Host:
    """A causal language model, a place in it, and held-out contexts on which losses are measured.

    The model is one of Hugging Face's, or a TransformerLens model or an nnsight ``LanguageModel``, whose own tokenizer
    serves where ``tokenizer`` is None.

    A loss is the mean cross-entropy in nats of every next token of every context. Where hidden states are replaced, the
    first position of each context, and positions whose norm exceeds ``outlier_norm``, stay as they were: the same
    positions that the harvest excludes. Right padding is neither replaced nor counted.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        hook: str | Hook | Between,
        contexts: Sequence[Sequence[int]] = (),
        *,
        outlier_norm: float | None = None,
    ):
        if tokenizer is None and (held := unwrapped(model)) is not None:
            model, tokenizer = held
        self.model = model
        self.tokenizer = tokenizer
        self.hook = hook if isinstance(hook, Hook | Between) else resolve_hook(self.model, hook)
        # Known at once, since it is asked for inside of passes.
        self._given = self._length(self.hook.target) if isinstance(self.hook, Between) else None
        self.contexts = [context for context in contexts if len(context) > 1]
        self.outlier_norm = outlier_norm
        self._known: dict[str, float] = {}
        self._clean = torch.empty(0)
        self._before: Replay | None = None  # of the layers before the hook, and of all of them: from the clean pass
        self._whole: Replay | None = None

    @property
    def device(self) -> torch.device:
        """Where the model's parameters lie."""
        return next(self.model.parameters()).device

    @cached_property
    def d_in(self) -> int:
        """Length of a hidden state at the hook, or of a row where that leads from one place to another."""
        return self._length(self.hook)

    def _length(self, place: Hook | Between) -> int:
        with evaluating(self.model):
            return capture(self.model, place, torch.zeros(1, 1, dtype=torch.int64, device=self.device)).shape[-1]

    def target(self, rows: Tensor) -> Tensor:
        """What stands at the hook [..., d_out], of rows [..., d_in]: their end where it leads to another place."""
        return rows if self._given is None else rows[..., -self._given :]

    @property
    def longest(self) -> int | None:
        """How many positions the model has, where its configuration says."""
        return longest_of(self.model)

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

    def held_out_states(self, count: int | None = None) -> Iterator[tuple[int, Tensor]]:
        """`hidden_states` of the first held-out contexts; after `clean_loss` nothing is run again for them."""
        count = len(self.contexts) if count is None else count
        with evaluating(self.model):
            for number, (chosen, tokens, _) in enumerate(self._batches()):
                if min(chosen) >= count:
                    continue
                with _replayed(self._before, number):
                    states = capture(self.model, self.hook, tokens)
                for row, i in enumerate(chosen):
                    if i < count:
                        yield i, states[row, : len(self.contexts[i])]

    def loss(self, replace: Callable[[Tensor], Tensor] | None = None) -> float:
        """Cross-entropy, in nats a token, with the hidden states [n, d_in] at the hook put through ``replace``, which
        gives what is to stand there [n, d_out]."""
        return float(self._sums(replace, 0)[0].sum()) / self.predicted_tokens

    def spliced_loss(self, sae: nn.Module) -> float:
        """Cross-entropy with the reconstruction of ``sae`` at the hook, in nats a token."""
        return self.loss(_reconstruction(sae))

    def spliced(self, sae: nn.Module) -> tuple[Tensor, Tensor]:
        """What each context adds to `spliced_loss`, and to the KL divergence of next-token distributions from the clean
        ones, in nats a token: float64 [contexts] each, whose means are those of all tokens.

        Both are from one pass. After `clean_loss` what that pass gave is not run again.

        ``sum_v p(v) log(p(v) / q(v))`` with p the clean and q the spliced distribution, mean over every position of
        the first held-out contexts: at most `divergence_tokens` of them, one context at least.
        """
        loss, divergence = self._sums(_reconstruction(sae), len(self._divergence_contexts()))
        return self._shares(loss), divergence * len(divergence) / self.divergence_tokens

    def _shares(self, loss: Tensor) -> Tensor:
        """Sums over the next tokens of each context, such that their mean is a loss."""
        return loss * len(loss) / self.predicted_tokens

    def _sums(self, replace: Callable[[Tensor], Tensor] | None, first: int) -> tuple[Tensor, Tensor]:
        """Of each context the cross-entropy of its next tokens, and of the ``first`` the divergence of positions."""
        loss = torch.zeros(len(self.contexts), dtype=torch.float64)
        divergence = torch.zeros(first, dtype=torch.float64)
        with evaluating(self.model):
            for number, (chosen, tokens, mask) in enumerate(self._batches()):
                with _replayed(self._before, number):
                    logits = self._logits(tokens, mask, replace)
                loss[chosen] = _cross_entropies(logits, tokens, mask)
                rows = torch.tensor([i < first for i in chosen], device=tokens.device)
                if rows.any():
                    kept = mask[rows]
                    q = logits[rows].float().log_softmax(-1)[kept]
                    del logits  # as large as all that follows
                    with _replayed(self._whole, number, rows):
                        p = self._logits(tokens[rows], kept, None).float().log_softmax(-1)[kept]
                    each = torch.zeros(kept.shape, device=kept.device)
                    each[kept] = (p.exp() * (p - q)).sum(1)
                    divergence[[i for i in chosen if i < first]] = each.double().sum(1).cpu()
        return loss, divergence

    @property
    def divergence_tokens(self) -> int:
        """Over how many positions `divergence` is a mean."""
        return sum(map(len, self._divergence_contexts()))

    def _divergence_contexts(self) -> list[Sequence[int]]:
        ends = np.cumsum([len(context) for context in self.contexts])
        return self.contexts[: max(1, int(np.searchsorted(ends, _KL_TOKENS, side="right")))]

    def _batches(self) -> Iterator[tuple[list[int], Tensor, Tensor]]:
        """Indices, tokens and masks of the contexts, in batches whose logits fit into memory."""
        if not self.contexts:
            raise ValueError("the host has no held-out contexts to measure a loss on; harvest with held_out above 0")
        batch_size = max(1, min(16, _LOGITS_AT_ONCE // (vocabulary_of(self.model) * max(map(len, self.contexts)))))
        yield from batched(self.contexts, batch_size, self.device)

    def _logits(self, tokens: Tensor, mask: Tensor, replace: Callable[[Tensor], Tensor] | None) -> Tensor:
        with self._spliced(replace, mask):
            return logits_of(self.model, tokens)

    def _spliced(self, replace: Callable[[Tensor], Tensor] | None, mask: Tensor) -> AbstractContextManager[None]:
        if replace is None:
            return nullcontext()

        def spliced(hidden: Tensor) -> Tensor:
            chosen = mask & self.kept(hidden)
            new = self.target(hidden).clone()
            new[chosen] = replace(hidden[chosen]).to(hidden)
            return new

        return replacing(self.model, self.hook, spliced)

    def clean_loss(self) -> float:
        """Cross-entropy of the untouched model, in nats a token; measured once."""
        if "clean" not in self._known:
            replays = self._replays()
            with ExitStack() as noting:
                for replay in replays:
                    if replay is not None:
                        noting.enter_context(replay.noting())
                self._clean = self._sums(None, 0)[0]
            self._known["clean"] = float(self._clean.sum()) / self.predicted_tokens
            self._before, self._whole = replays
            if self._whole is not None:  # only the divergence reads it
                first = len(self._divergence_contexts())
                for number, (chosen, _, _) in enumerate(self._batches()):
                    if min(chosen) >= first:
                        self._whole.outputs[number] = None
        return self._known["clean"]

    def clean(self) -> Tensor:
        """What each context adds to `clean_loss`: float64 [contexts], whose mean it is."""
        self.clean_loss()
        return self._shares(self._clean)

    def zero_ablated_loss(self) -> float:
        """Cross-entropy with zeros at the hook, in nats a token; measured once."""
        if "zero" not in self._known:
            self._known["zero"] = self.loss(lambda hidden: torch.zeros_like(self.target(hidden)))
        return self._known["zero"]

    def mean_ablated_loss(self) -> float:
        """Cross-entropy with the mean hidden state of the held-out contexts at the hook, in nats a token; once."""
        if "mean" not in self._known:
            total, count = torch.zeros(self.d_in, dtype=torch.float64), 0
            for _, hidden in self.held_out_states():
                kept = hidden[self.kept(hidden)].double().cpu()
                total, count = total + kept.sum(0), count + len(kept)
            mean = self.target(total / max(count, 1)).float()
            self._known["mean"] = self.loss(lambda hidden: mean.to(hidden).expand(len(hidden), -1))
        return self._known["mean"]

    def _replays(self) -> tuple[Replay | None, Replay | None]:
        """Of the layers before the hook, and of all of them, where this model's passes can begin there."""
        if sum(map(len, self.contexts)) > _KEPT_TOKENS:
            return None, None
        with evaluating(self.model):
            _, tokens, _ = next(self._batches())
            before, whole = Replay(layers_before(self.model, self.hook)), Replay(layers_of(self.model))

            def run(few: Tensor) -> Tensor:
                return self._logits(few, torch.ones_like(few, dtype=torch.bool), None)

            return before if before.agrees(run, tokens) else None, whole if whole.agrees(run, tokens) else None

    def kept(self, hidden: Tensor) -> Tensor:
        """Which hidden states [..., position, d_in] the harvest keeps: no first position of a context, no outlier.

        The norm of a row is that of all of it.
        """
        norms = hidden.float().norm(dim=-1)
        kept = norms <= (math.inf if self.outlier_norm is None else self.outlier_norm)
        kept[..., 0] = False
        return kept


def as_host(given: Any, known: Host | None) -> Host | None:
    """The host that is given, or else known; a model alone takes the place of the known one's.

    Raises ValueError for a model where no host is known, and with it no held-out text.
    """
    if given is None or isinstance(given, Host):
        return given or known
    if known is None:
        raise ValueError(
            f"a {type(given).__name__} alone has no held-out text to measure losses on; make the hidden states with "
            "rsae.hidden_states(model, text, hook), or give a Host(model, tokenizer, hook, contexts)"
        )
    model, tokenizer = given if isinstance(given, tuple) else unwrapped(given) or (given, known.tokenizer)
    return Host(model, tokenizer, known.hook.name, known.contexts, outlier_norm=known.outlier_norm)


def _replayed(replay: Replay | None, batch: int, rows: Tensor | None = None) -> AbstractContextManager[None]:
    return nullcontext() if replay is None else replay.of(batch, rows)


def _cross_entropies(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    """The sum over next tokens of each context [batch], as float64."""
    targets = tokens[:, 1:].masked_fill(~mask[:, 1:], -100)
    each = nn.functional.cross_entropy(
        logits[:, :-1].float().flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="none"
    )
    return each.view_as(targets).double().sum(1).cpu()


def _reconstruction(sae: nn.Module) -> Callable[[Tensor], Tensor]:
    home = next(sae.parameters()).device

    def reconstruct(hidden: Tensor) -> Tensor:
        reconstruction: Tensor = sae(hidden.to(home, torch.float32)).reconstruction
        return reconstruction

    return reconstruct
