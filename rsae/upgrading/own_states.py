"""Hidden states such as an SAE says it was trained on: its host, hook and contexts, and a text that anyone can get."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rsae.data.reading import Reading
from rsae.data.states import HiddenStates, hidden_states
from rsae.hosts.names import hub_name
from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["DEFAULT_TEXT", "DEFAULT_TOKENS", "Said", "hidden_states_of", "said_by"]

DEFAULT_TEXT = "datasets:NeelNanda/pile-10k:train"  # ten thousand documents of the Pile, 33 MB
DEFAULT_TOKENS = 500_000
_CONTEXT_LENGTH = 256
_DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Said:
    """What an SAE's metadata say of the hidden states that it was trained on; None for what they do not say."""

    model: str | None = None
    hook: str | None = None
    context_length: int | None = None
    prepend_bos: bool | None = None
    dtype: str | None = None
    centred: bool = False


def said_by(sae: SparseAutoencoder) -> Said:
    """What an SAE says of the hidden states that it was trained on; what cannot be used counts as not said.

    >>> import torch
    >>> eye, zero = torch.eye(2), torch.zeros(2)
    >>> about = {"model": "gpt2-small", "hook": "blocks.8.hook_resid_pre", "context_length": "long"}
    >>> sae = SparseAutoencoder(W_enc=eye, b_enc=zero, W_dec=eye, b_dec=zero, family="relu", metadata=about)
    >>> said_by(sae).model, said_by(sae).hook, said_by(sae).context_length
    ('gpt2', 'blocks.8.hook_resid_pre', None)
    """
    about = sae.metadata
    model, hook, length = (about.get(name) for name in ("model", "hook", "context_length"))
    begins, dtype = about.get("prepend_bos"), str(about.get("model_dtype")).removeprefix("torch.")
    return Said(
        model=hub_name(model) if isinstance(model, str) and model else None,
        hook=hook if isinstance(hook, str) and hook else None,
        context_length=length if isinstance(length, int) and not isinstance(length, bool) and length >= 8 else None,
        prepend_bos=begins if isinstance(begins, bool) else None,
        dtype=dtype if dtype in _DTYPES else None,
        centred=about.get("centred") is True,
    )


def hidden_states_of(
    sae: SparseAutoencoder,
    text: str | Path | Iterable[str] = DEFAULT_TEXT,
    *,
    model: Any = None,
    hook: str | None = None,
    context_length: int | None = None,
    max_tokens: int | None = DEFAULT_TOKENS,
    dtype: str | None = None,
    reading: Reading | None = None,
    **rest: Any,
) -> HiddenStates:
    """Hidden states of the host and at the hook that an SAE's metadata name, read in contexts as it was trained on.

    What is given comes before what the SAE says: ``model`` and ``hook`` (as for `hidden_states`), ``context_length``
    (where neither says it: 256), ``dtype`` of the host (float32), and ``reading``, whose ``prepend_bos`` and
    ``centred`` are the SAE's where they are not set. ``text`` is a public data set, streamed from the hub until it
    gives ``max_tokens`` vectors (None: to its end); without a hub give another one, such as
    ``rsae.demo.text.documents("demo")``. ``rest`` is passed on to `hidden_states`.

    Raises ValueError where neither an argument nor the SAE names the host or the hook, and as `hidden_states` does.
    """
    said, asked = said_by(sae), reading or Reading()
    asked = replace(
        asked,
        prepend_bos=said.prepend_bos if asked.prepend_bos is None else asked.prepend_bos,
        centred=asked.centred or said.centred,
    )
    source, place = said.model if model is None else model, hook or said.hook
    for value, name, example in ((source, "model", "gpt2"), (place, "hook", "blocks.8.hook_resid_pre")):
        if value is None:
            raise ValueError(f"the SAE does not say its {name}: give one, such as {name}={example!r} (--{name})")
    return hidden_states(
        source,
        text,
        place,
        context_length=context_length or said.context_length or _CONTEXT_LENGTH,
        max_tokens=max_tokens,
        dtype=dtype or said.dtype,
        reading=asked,
        **rest,
    )
