"""What model a name means: its name on the hub, and whether two names may mean one."""

import re
from pathlib import Path

__all__ = ["hub_name", "same_model"]

# Names of TransformerLens alone. Its own table would be the source, but reading an SAE must not need that package.
_ALIASES = {"gpt2-small": "gpt2", "mistral-7b": "mistralai/Mistral-7B-v0.1"}
_OWNERS = {"pythia-": "EleutherAI", "gemma-": "google"}
_FAMILIES = ("gpt2", "gptneo", "gptj", "pythia", "gemma", "llama", "mistral", "qwen", "smollm", "olmo", "bloom")
_SIZE = re.compile(r"(?<![a-z\d])(\d+(?:\.\d+)?[kmb]|small|medium|large|xl)(?![a-z\d])")


def hub_name(model: str) -> str:
    """The hub's name of a model that an SAE's configuration names as TransformerLens does.

    A name that has an owner, or is no alias that is known, stays as it is.

    >>> [hub_name(name) for name in ("gpt2-small", "pythia-70m-deduped", "qwen3-0.6b", "meta-llama/Llama-3.1-8B")]
    ['gpt2', 'EleutherAI/pythia-70m-deduped', 'Qwen/Qwen3-0.6B', 'meta-llama/Llama-3.1-8B']
    """
    if size := re.fullmatch(r"qwen3-([\d.]+)b", model):
        return f"Qwen/Qwen3-{size[1]}B"
    owners = [owner for prefix, owner in _OWNERS.items() if model.startswith(prefix)]
    return f"{owners[0]}/{model}" if owners else _ALIASES.get(model, model)


def same_model(said: str, read: str, *, local: bool = False) -> bool:
    """Whether a model's name and a name or a path may mean one model: False only where they surely mean two.

    Names of a hub have to be equal, without their owners and but for TransformerLens's own names. A ``local`` folder or
    file may be called anything: only a family or a size in its name can contradict.

    >>> same_model("gpt2-small", "openai-community/gpt2"), same_model("gpt2-small", "gpt2-medium")
    (True, False)
    >>> same_model("pythia-70m-deduped", "EleutherAI/pythia-70m"), same_model("gpt2", "/models/mine", local=True)
    (False, True)
    """
    cached = re.search(r"models--(?:[^/]+?--)?([^/]+)/snapshots/", read)
    name = cached[1] if cached else Path(read).name
    ours, theirs = _plain(said), _plain(name)
    if ours == theirs or not local:
        return ours == theirs
    for one, other in ((_families(said), _families(name)), (_sizes(said), _sizes(name))):
        if one and other and not one & other:
            return False
    return True


def _plain(name: str) -> str:
    """What all spellings of a model's name have in common, TransformerLens's own among them."""
    text = _bare(name)
    return next((_bare(hub) for alias, hub in _ALIASES.items() if _bare(alias) == text), text)


def _bare(name: str) -> str:
    """A name without its owner, separators, and what its spellings differ in."""
    text = re.sub(r"[^a-z0-9]", "", name.rstrip("/").rpartition("/")[2].lower().removesuffix(".gguf"))
    return text.removeprefix("meta").removesuffix("hf")


def _families(name: str) -> set[str]:
    text = re.sub(r"[^a-z0-9]", "", name.lower())
    return {family for family in _FAMILIES if family in text}


def _sizes(name: str) -> set[str]:
    found = set(_SIZE.findall(name.lower().replace("_", "-")))
    return found or ({"small"} if _plain(name) == "gpt2" else set())
