"""The first layers of a model are run once over some batches, and then passed by: later passes begin in the middle."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Replay"]

_PROBE = 16  # positions of the pass that is compared with its replay
_TOLERANCE = 1e-4
_MASKED = 1e30  # logits beyond it are no predictions


class Replay:
    """What the last of ``layers`` gave, batch after batch; they are the first of a model, in their order.

    A measurement that changes something behind them is the same at less cost: of 30 layers with an SAE after the tenth,
    twenty are run, and the embedding and the head. Dropout and caches of keys must be off. Outputs, a hidden state for
    each position, stay on the model's device.

    >>> first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    >>> model, x = nn.Sequential(first, second), torch.ones(1, 2)
    >>> replay = Replay([first])
    >>> with replay.noting():
    ...     once = model(x)
    >>> with replay.of(0):
    ...     again = model(torch.zeros(1, 2))  # what it reads no longer matters
    >>> torch.equal(once, again)
    True
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        self.layers = list(layers)
        self.outputs: list[Any] = []

    @contextmanager
    def noting(self) -> Iterator[None]:
        """While active, each pass of the model adds a batch."""

        def note(_module: nn.Module, _args: Any, output: Any) -> None:
            self.outputs.append(output)

        handle = self.layers[-1].register_forward_hook(note)
        try:
            yield
        finally:
            handle.remove()

    def of(self, batch: int, rows: Tensor | None = None) -> AbstractContextManager[None]:
        """While active, every one of the layers gives what the last of them gave for a batch (or for ``rows`` of it).

        Hooks on them still run.
        """
        return self.giving(self.outputs[batch] if rows is None else _rows(self.outputs[batch], rows))

    @contextmanager
    def giving(self, output: Any) -> Iterator[None]:
        """While active, every one of the layers gives ``output``."""
        before = [layer.__dict__.get("forward") for layer in self.layers]  # set by libraries that move weights about
        for layer in self.layers:  # not by setattr, which wrappers hand on to what they wrap
            layer.__dict__["forward"] = lambda *_args, **_kwargs: output
        try:
            yield
        finally:
            for layer, forward in zip(self.layers, before, strict=True):
                if forward is None:
                    del layer.__dict__["forward"]
                else:
                    layer.__dict__["forward"] = forward

    def agrees(self, run: Callable[[Tensor], Tensor], tokens: Tensor) -> bool:
        """Whether ``run``, logits of token numbers [batch, position], are the same from a replay.

        They are not where later layers read more than the one before them gave, such as keys shared between layers, or
        where an output has no row for each context; nor, in this sense, where there are no layers.
        """
        if not self.layers:
            return False
        probe = Replay(self.layers)
        pair = torch.cat([tokens[:1, :_PROBE], tokens[:1, :_PROBE].flip(1)])
        with probe.noting():
            whole = run(pair).float()
        run(pair.flip(0))  # what layers leave behind them for later ones now belongs to another batch
        try:
            with probe.of(0, torch.tensor([True, True])):
                again = run(pair).float()
        except Exception:  # whatever such a model raises: it can't be replayed
            return False
        usual = whole[whole.abs() < _MASKED].abs()
        return bool(len(usual)) and torch.allclose(whole, again, rtol=0.0, atol=_TOLERANCE * float(usual.max()))


def _rows(output: Any, rows: Tensor) -> Any:
    """The rows of a layer's output: a tensor, or a tuple with tensors."""
    if isinstance(output, tuple):
        return tuple(_rows(part, rows) for part in output)
    return output[rows.to(output.device)] if isinstance(output, Tensor) else output
