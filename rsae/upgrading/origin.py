"""Are these hidden states such as the SAE was trained on? Its metadata against how they were made.

The one place where that is asked: before a harvest, where the command line knows the SAE, and before an upgrade.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rsae.hosts.dialects import name_of
from rsae.hosts.host import Host
from rsae.hosts.names import same_model
from rsae.hosts.places import same_place
from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["CONSENT", "check_origin", "contradictions"]

CONSENT = "accept_mismatch=True (--accept-mismatch) goes on all the same"
_CLASSES = r"\w+(?:For[A-Z]\w+|Model)|HookedTransformer|TransformerBridge"


def check_origin(
    sae: SparseAutoencoder, question: Mapping[str, Any], host: Host | None = None, *, accept_mismatch: bool = False
) -> None:
    """Refuse hidden states that contradict what an SAE says of its own training.

    ``question`` says how they were made (`HiddenStates.question`). With ``accept_mismatch`` only their width counts.

    Raises
    ------
    ValueError
        with every contradiction: width, model, hook, context length, beginning-of-sequence token, the host's format.
    """
    if host is not None and host.d_in != sae.width:
        raise ValueError(
            f"hidden states at {host.hook.name!r} have width {host.d_in}, but the SAE takes {sae.taken}: "
            "is it of another layer or another model?"
        )
    found = list(contradictions(sae.metadata, question, host))
    if found and not accept_mismatch:
        raise ValueError(
            f"the SAE's metadata contradict these hidden states: {'; '.join(found)}. Make them as the SAE was trained: "
            f"rsae.hidden_states_of(sae, text) does, and so does the command line by default; {CONSENT}"
        )


def contradictions(said: Mapping[str, Any], question: Mapping[str, Any], host: Host | None) -> Iterator[str]:
    """Every point in which an SAE's metadata and the `HiddenStates.question` of hidden states surely differ."""
    model, hook = said.get("model"), said.get("hook")
    read = _model_read(question, host)
    if isinstance(model, str) and read is not None and not same_model(model, read, local=_is_local(read, host)):
        yield f"it was trained on the model {model!r}, they are of {read!r} (--model)"
    if isinstance(hook, str) and not all(same_place(hook, name) for name in _places_read(question, host)):
        yield f"it was trained at {hook!r}, they are of {_places_read(question, host)[0]!r} (--hook)"
    length, own = question.get("context_length"), said.get("context_length")
    if _differ(own, length):
        yield f"it was trained on contexts of {own} tokens, they are of {length} (context_length, --context-length)"
    begins, own = question.get("prepend_bos"), said.get("prepend_bos")
    if _differ(own, begins):
        words = ("with a BOS token", "without one")
        yield f"its contexts began {words[not own]}, these {words[not begins]} (Reading(prepend_bos={own}), --bos)"
    dtype, own = question.get("dtype"), said.get("model_dtype")
    if _differ(own, dtype):
        yield f"its host was in {own}, this one is in {dtype} (dtype, --dtype)"


def _places_read(question: Mapping[str, Any], host: Host | None) -> list[str]:
    """The name of the hook that was asked for, and of the module that it was found to be."""
    asked = question.get("hook") or (None if host is None else host.hook.name)
    if "hook_" in str(asked) or str(asked).endswith(".input"):  # the module may be the one whose input was read
        return [str(asked)]
    return [name for name in (asked, question.get("module")) if isinstance(name, str)]


def _differ(said: Any, found: Any) -> bool:
    """Whether both are known, of one type, and not equal."""
    return said is not None and type(said) is type(found) and said != found


def _model_read(question: Mapping[str, Any], host: Host | None) -> str | None:
    """The name, or the path, of the model that was read; None where it has none."""
    source = question.get("source") if question.get("module") else None
    if source is None or re.fullmatch(_CLASSES, str(source)):  # it was given as an object
        source = None if host is None else name_of(host.model)
    return str(source) if source else None


def _is_local(read: str, host: Host | None) -> bool:
    """Whether it is, or without its host may be, a folder or a file."""
    path = Path(read)
    cached = re.search(r"models--.+/snapshots/", read)
    return cached is None and (host is None or path.exists() or path.is_absolute() or path.suffix == ".gguf")
