"""The name on the hub of a model that an SAE's configuration names as TransformerLens does."""

import re

__all__ = ["hub_name"]

_ALIASES = {"gpt2-small": "gpt2", "mistral-7b": "mistralai/Mistral-7B-v0.1"}
_OWNERS = {"pythia-": "EleutherAI", "gemma-": "google"}


def hub_name(model: str) -> str:
    """The hub's name of a model; a name that has an owner, or is no alias that is known, stays as it is.

    >>> [hub_name(name) for name in ("gpt2-small", "pythia-70m-deduped", "qwen3-0.6b", "meta-llama/Llama-3.1-8B")]
    ['gpt2', 'EleutherAI/pythia-70m-deduped', 'Qwen/Qwen3-0.6B', 'meta-llama/Llama-3.1-8B']
    """
    if size := re.fullmatch(r"qwen3-([\d.]+)b", model):
        return f"Qwen/Qwen3-{size[1]}B"
    owners = [owner for prefix, owner in _OWNERS.items() if model.startswith(prefix)]
    return f"{owners[0]}/{model}" if owners else _ALIASES.get(model, model)
