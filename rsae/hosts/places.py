"""What place a hook name means, whatever model it is of and in whichever spelling: to compare two names."""

import re
from typing import NamedTuple

__all__ = ["Place", "hook_point", "place_of", "same_place"]

_RESIDUAL = "the residual stream"
_TRANSFORMER_LENS = re.compile(r"blocks\.(\d+)\.((?:\w+\.)*hook_\w+)")
_MODULE = re.compile(r"(?:[\w.]*\.)?(?:layers|layer|h|blocks|block)\.(\d+)(?:\.([\w.]+))?")
_SUBMODULE = re.compile(r"(resid_post|resid_pre|resid_out|attn_out|mlp_out)_layer_?(\d+)")  # of dictionary_learning
_KINDS = {
    "hook_resid_mid": "the residual stream between attention and MLP",
    **dict.fromkeys(("hook_attn_out", "attn_out", "attn", "self_attn", "attention"), "the attention's output"),
    **dict.fromkeys(("hook_mlp_out", "mlp_out", "mlp"), "the MLP's output"),
    **dict.fromkeys(
        ("attn.hook_z", "hook_z", "self_attn.o_proj.input", "attn.c_proj.input", "attention.dense.input"),
        "the attention's heads",
    ),
    **dict.fromkeys(
        ("mlp.hook_post", "mlp.down_proj.input", "mlp.c_proj.input", "mlp.dense_4h_to_h.input"), "the MLP's neurons"
    ),
}


class Place(NamedTuple):
    """What is read there, and a layer's number; of the residual stream how many layers are behind it."""

    kind: str
    layer: int


def place_of(name: str) -> Place | None:
    """The place that a name means; None for one that names no layer.

    >>> place_of("blocks.2.hook_resid_post") == place_of("blocks.3.hook_resid_pre") == place_of("transformer.h.2")
    True
    >>> place_of("blocks.2.hook_mlp_out") == place_of("model.layers.2.mlp") == place_of("mlp_out_layer2")
    True
    >>> place_of("blocks.2.hook_resid_pre") == place_of("layers.2.input"), place_of("h.2.attn.c_proj.input").kind
    (True, "the attention's heads")
    """
    if match := _SUBMODULE.fullmatch(name):
        kind, layer = match[1], int(match[2])
    elif match := (_TRANSFORMER_LENS.fullmatch(name) or _MODULE.fullmatch(name)):
        layer, kind = int(match[1]), (match[2] or "hook_resid_post").removesuffix(".output")
        kind = {"input": "hook_resid_pre", "output": "hook_resid_post"}.get(kind, kind)
    else:
        return None
    if kind.removeprefix("hook_") in ("resid_post", "resid_out"):
        return Place(_RESIDUAL, layer + 1)
    if kind.removeprefix("hook_") == "resid_pre":
        return Place(_RESIDUAL, layer)
    return Place(_KINDS.get(kind, kind), layer)


def same_place(one: str, other: str) -> bool:
    """Whether two names may mean one place: False only where they surely mean two.

    Of names that are spelt in a way of their own nothing but the layer's number is compared.

    >>> same_place("blocks.8.hook_resid_pre", "transformer.h.7"), same_place("blocks.8.hook_resid_pre", "layers.8")
    (True, False)
    """
    first, second = place_of(one), place_of(other)
    if one == other or first is None or second is None:
        return True
    known = {_RESIDUAL, *_KINDS.values()}
    if first.kind in known or second.kind in known:
        return first == second
    return first.layer == second.layer


def hook_point(name: str) -> str:
    """A place as TransformerLens calls it, whose models SAEBench and sae-dashboard run.

    Raises ValueError for one that has no name here.

    >>> hook_point("model.layers.12"), hook_point("blocks.3.hook_resid_pre")
    ('blocks.12.hook_resid_post', 'blocks.3.hook_resid_pre')
    """
    if "hook_" in name:
        return name
    place = place_of(name)
    if place is None or place.layer < 1 or place != place_of(f"blocks.{place.layer - 1}.hook_resid_post"):
        raise ValueError(f"places are read by their names in TransformerLens here, which has none for {name!r}")
    return f"blocks.{place.layer - 1}.hook_resid_post"
