"""The parts of a decoder layer: TransformerLens's names of places, as modules of Hugging Face's layers.

A layer of Hugging Face's adds two terms to its residual stream, ``mid = pre + attention`` and ``post = mid + mlp``:

    hook_resid_pre         the layer's input
    ln1.hook_normalized    the output of the first norm
    attn.hook_z            the input of attention's output projection: the heads, one after the other
    hook_attn_out          what attention adds: its output, or that of a norm behind it (Gemma 2 and 3, OLMo 2)
    hook_resid_mid         the layer's input and what attention adds
    hook_mlp_in            the same, as the second norm alone sees it
    ln2.hook_normalized    the output of the second norm (with its weights, which TransformerLens may fold)
    mlp.hook_in            the input of the MLP
    mlp.hook_post          the input of the MLP's last projection
    hook_mlp_out           what the MLP adds: its output, or that of a norm behind it
    hook_resid_post        the layer's output

Names are those of GPT-2, GPT-Neo, GPT-J, GPT-NeoX, Llama, Mistral, Qwen 2 and 3, Gemma 1 to 3, OLMo 2 and Phi. Of any
other layer, and of layers that scale what they add, only input and output are known. Layers whose attention and MLP
read the same stream (``parallel``) have no middle. TransformerLens's own table goes the other way, from its names to
those of models that it has wrapped itself.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import nn

__all__ = ["KINDS", "Part", "part_of"]

_ATTENTION = ("self_attn", "attn", "attention")
_HEADS = ("o_proj", "c_proj", "attention.out_proj", "out_proj", "dense")
_DOWN = ("down_proj", "c_proj", "dense_4h_to_h", "fc2", "fc_out")
_FIRST_NORM = ("input_layernorm", "ln_1")

KINDS = (
    *("hook_resid_pre", "ln1.hook_normalized", "attn.hook_z", "hook_attn_out", "hook_resid_mid", "hook_mlp_in"),
    *("ln2.hook_normalized", "mlp.hook_in", "mlp.hook_post", "hook_mlp_out", "hook_resid_post"),
)
_OTHER_SPELLINGS = {"hook_z": "attn.hook_z"}


class Part(NamedTuple):
    """A module inside a layer ("": the layer itself), whether its input is meant, and whether the layer's is added."""

    module: str
    reads_input: bool = False
    onto_input: bool = False


def part_of(layer: nn.Module, kind: str) -> Part | None:
    """The part of a layer that TransformerLens calls ``kind``; None where the layer has none that is known.

    >>> layer = nn.ModuleDict({"mlp": nn.Linear(2, 2), "self_attn": nn.Linear(2, 2)})
    >>> part_of(layer, "hook_resid_pre"), part_of(layer, "hook_mlp_out")
    (Part(module='', reads_input=True, onto_input=False), Part(module='mlp', reads_input=False, onto_input=False))
    """
    kind = _OTHER_SPELLINGS.get(kind, kind)
    return dict(_parts(layer)).get(kind)


def _parts(layer: nn.Module) -> Iterator[tuple[str, Part]]:
    yield "hook_resid_pre", Part("", reads_input=True)
    yield "hook_resid_post", Part("")
    attention, mlp = _first(layer, _ATTENTION), _first(layer, ("mlp",))
    if attention is None or mlp is None or hasattr(layer, "residual_multiplier") or hasattr(layer, "altup"):
        return
    behind = _first(layer, ("post_feedforward_layernorm",))  # then norms stand behind attention and MLP, too
    if first := _first(layer, _FIRST_NORM):
        yield "ln1.hook_normalized", Part(first)
    if heads := _first(layer, _HEADS, attention):
        yield "attn.hook_z", Part(heads, reads_input=True)
    if down := _first(layer, _DOWN, mlp):
        yield "mlp.hook_post", Part(down, reads_input=True)
    yield "mlp.hook_in", Part(mlp, reads_input=True)
    adds = "post_attention_layernorm" if behind else attention
    yield "hook_attn_out", Part(adds)
    yield "hook_mlp_out", Part(behind or mlp)
    second = _first(layer, ("pre_feedforward_layernorm", "ln_2") + (() if behind else ("post_attention_layernorm",)))
    if second:
        yield "ln2.hook_normalized", Part(second)
        yield "hook_mlp_in", Part(second, reads_input=True)
    if (second or behind) and not _parallel(layer):
        yield "hook_resid_mid", Part(adds, onto_input=True)


def _first(layer: nn.Module, names: tuple[str, ...], inside: str = "") -> str | None:
    """The first of the names that the layer has, from the layer on."""
    for name in names:
        module: Any = layer
        whole = f"{inside}.{name}" if inside else name
        for part in whole.split("."):
            module = getattr(module, part, None)
        if isinstance(module, nn.Module):
            return whole
    return None


def _parallel(layer: nn.Module) -> bool:
    return bool(getattr(layer, "use_parallel_residual", False) or getattr(layer, "parallel_attn", False))
