"""What is asked of a language model besides its modules, in the words of the library that made it.

Three libraries hold the models of this field. Hugging Face's are plain modules. An nnsight ``LanguageModel`` wraps one
of them and its tokenizer, so that both are taken out, and nothing else changes. A TransformerLens model
(``HookedTransformer``, or a ``TransformerBridge``) is read where it stands, since its weights may be folded: its hook
points are modules that hand on what they are given, and their outputs are read and replaced like those of any other
(`rsae.hosts.hooks`). All are told apart by what they have, and none of the libraries is imported.
"""

from typing import Any

import torch
from torch import Tensor, nn

__all__ = [
    *("dtype_of", "family_of", "is_transformer_lens", "logits_of", "longest_of", "name_of", "unwrapped"),
    "vocabulary_of",
]


def is_transformer_lens(model: Any) -> bool:
    """Whether a module is a ``HookedTransformer`` or a ``TransformerBridge``: it has hook points, by name."""
    return isinstance(model, nn.Module) and hasattr(model, "hook_dict") and hasattr(model, "cfg")


def unwrapped(source: Any) -> tuple[nn.Module, Any] | None:
    """Model and tokenizer of an object that holds both; None for anything else, a Hugging Face model included.

    Raises ValueError for an nnsight model without weights, or for a model without a tokenizer.
    """
    model = source
    if any(kind.__module__.partition(".")[0] == "nnsight" for kind in type(source).__mro__):
        model = getattr(source, "_model", None) or getattr(source, "_module", None)
        if not isinstance(model, nn.Module):
            raise ValueError(f"nnsight's {type(source).__name__} holds no torch module; give a LanguageModel")
        if any(parameter.is_meta for parameter in model.parameters()):
            raise ValueError("the nnsight model has no weights yet: make it with dispatch=True")
    elif not is_transformer_lens(source):
        return None
    tokenizer = getattr(source, "tokenizer", None)
    if tokenizer is None:
        raise ValueError(f"this {type(source).__name__} has no tokenizer; give the pair (model, tokenizer)")
    return model, tokenizer


def logits_of(model: Any, tokens: Tensor) -> Tensor:
    """Logits [batch, position, vocabulary] of token numbers [batch, position].

    No attention mask is given: contexts are padded on the right, and a causal model's positions never see what follows.
    """
    logits: Tensor
    if not is_transformer_lens(model):
        logits = model(input_ids=tokens, use_cache=False).logits
    elif hasattr(model, "original_model"):  # a bridge hands on what the model that it wraps understands
        logits = model(tokens, return_type="logits", use_cache=False)
    else:  # with padding on the left it would take token 0 for padding
        logits = model(tokens, return_type="logits", padding_side="right")
    return logits


def vocabulary_of(model: Any) -> int:
    """How many tokens the model knows."""
    if is_transformer_lens(model):
        return int(model.cfg.d_vocab)
    return int(model.get_input_embeddings().weight.shape[0])


def longest_of(model: Any) -> int | None:
    """How many positions the model has, where its configuration says."""
    if is_transformer_lens(model):
        return getattr(model.cfg, "n_ctx", None)
    config = getattr(model.config, "text_config", None) or model.config
    return getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)


def family_of(model: Any) -> str | None:
    """The name of the model's architecture."""
    if is_transformer_lens(model):
        return getattr(model.cfg, "model_name", None)
    return getattr(model.config, "model_type", None)


def name_of(model: Any) -> str | None:
    """What the model was loaded as, where it knows: a name of a hub or of TransformerLens, or a path."""
    if is_transformer_lens(model):
        name = getattr(model.cfg, "model_name", None)
        return None if name == "custom" else name
    return getattr(getattr(model, "config", None), "name_or_path", None) or None


def dtype_of(model: nn.Module) -> torch.dtype:
    """The format of the model's weights."""
    return next(parameter.dtype for parameter in model.parameters() if parameter.is_floating_point())
