"""Where in a model hidden states are read and replaced: hook names of several spellings, resolved to one module."""

# Why not TransformerLens's name table: it is of models that it has wrapped, and brings datasets, pandas and wandb.

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from rsae.hosts.anatomy import KINDS, part_of
from rsae.hosts.dialects import is_transformer_lens, logits_of

__all__ = [
    *("Between", "Hook", "capture", "layer_names", "layers_before", "layers_of", "outputs", "reached", "replacing"),
    "resolve_hook",
]

_LAYER_NAME = re.compile(r"(?:\w+\.)*(?:layers|h)\.(\d+)(\.input|\.output)?")
_BLOCK_NAME = re.compile(r"blocks\.(\d+)\.(.+)")


@dataclass(frozen=True)
class Hook:
    """A place in a model: the output of a module, or its first input.

    ``name`` is what was asked for, ``module`` the dotted name in the model. ``onto``, where it is not None, is the
    dotted name of a layer whose input is added to the output: together they are the residual stream in its middle. At a
    ``centred`` place every hidden state is read without its mean over d_in, and written with it: vectors as of
    TransformerLens's ``center_writing_weights``.
    """

    name: str
    module: str
    reads_input: bool = False
    onto: str | None = None
    centred: bool = False


@dataclass(frozen=True)
class Between:
    """The way from one place to a later one, of a transcoder: what is read at the first tells what is given at the
    other.

    Hidden states there are rows, those of both places one after the other; what replaces them is as wide as the second.
    """

    source: Hook
    target: Hook

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.source.name} -> {self.target.name}"

    @property
    def module(self) -> str:
        """The dotted name of the module where something is given."""
        return self.target.module

    @property
    def centred(self) -> bool:
        """Whether either place is read without its mean."""
        return self.source.centred or self.target.centred


class _Reached(Exception):
    def __init__(self, hidden: Tensor):
        self.hidden = hidden


def _layers(model: nn.Module) -> tuple[str, nn.ModuleList]:
    """The list of decoder layers: the outermost ``ModuleList`` as long as the configuration says."""
    config = getattr(model, "config", None)
    config = getattr(config, "text_config", None) or config
    count = getattr(config, "num_hidden_layers", None)
    lists = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    lists = [pair for pair in lists if count is None or len(pair[1]) == count]
    if not lists:
        raise ValueError(f"{type(model).__name__} has no list of {count} layers; give the dotted name of a module")
    return min(lists, key=lambda pair: pair[0].count("."))


def resolve_hook(model: nn.Module, name: str) -> "Hook | Between":
    """The place that ``name`` means in ``model``.

    Accepted are the dotted name of a module (``model.layers.2``, ``transformer.h.7.mlp``, ``gpt_neox.layers.3``), whose
    output is meant, or with ``.input`` behind it (``model.layers.2.self_attn.o_proj.input``) whose input; a unique
    ending of one (``layers.2.mlp``); and the names of TransformerLens (`rsae.hosts.anatomy`), such as
    ``blocks.10.hook_resid_post``, ``blocks.10.hook_mlp_out`` and ``blocks.10.attn.hook_z``. In a TransformerLens model
    they are its own hook points, and the name of a layer is its output. Two of them with an arrow,
    ``blocks.3.mlp.hook_in -> blocks.3.hook_mlp_out``, are what a transcoder reads and what it gives.

    Raises ValueError, with the nearest names, where the model has no such place.
    """
    if not isinstance(name, str):
        raise TypeError(f"a hook is the name of a module such as 'model.layers.2', not {type(name).__name__}")
    if "->" in name:
        source, target = (_resolved(model, end.strip()) for end in name.split("->", 1))
        return Between(source, target)
    return _resolved(model, name)


def _resolved(model: nn.Module, name: str) -> Hook:
    names = [n for n, _ in model.named_modules() if n]
    if is_transformer_lens(model) and (found := _at_hook_point(model, name)):
        return found
    if is_transformer_lens(model) and (match := _LAYER_NAME.fullmatch(name)):
        return _resolved(model, f"blocks.{match[1]}.hook_resid_{'pre' if match[2] == '.input' else 'post'}")
    if name in names:
        return Hook(name, name)
    if not is_transformer_lens(model) and (match := _BLOCK_NAME.fullmatch(name)):
        return _in_layer(model, name, int(match[1]), match[2])
    stem, _, end = name.rpartition(".")
    asked, reads_input = (stem, end == "input") if end in ("input", "output") else (name, False)
    endings = [n for n in names if n == asked or n.endswith("." + asked)]
    if asked and (asked in endings or len(endings) == 1):
        return Hook(name, asked if asked in endings else endings[0], reads_input)
    known = _known(model) or names
    near = endings[:3] or difflib.get_close_matches(name, dict.fromkeys(known + names), n=3, cutoff=0.5) or known[:3]
    raise ValueError(f"the model has no hook {name!r}; near names: {', '.join(near)}")


def _at_hook_point(model: nn.Module, name: str) -> Hook | None:
    """The place of a hook point of a TransformerLens model, which may have several names.

    A bridge's ``hook_resid_mid`` is the input of the second norm, and the residual stream passes it by: what is written
    there would reach the MLP alone. So it is read and written as in any model of Hugging Face's.
    """
    points: Any = model.hook_dict
    spelt = re.sub(r"^(blocks\.\d+\.)hook_z$", r"\1attn.hook_z", name)
    layer = spelt.removesuffix(".hook_resid_mid")
    onto = layer if hasattr(model, "original_model") and layer != spelt else None
    point = points.get(spelt if onto is None else f"{layer}.hook_attn_out") if spelt in points else None
    module = next((n for n, module in model.named_modules() if module is point), None) if point is not None else None
    return None if module is None else Hook(name, module, onto=onto)


def _in_layer(model: nn.Module, name: str, number: int, kind: str) -> Hook:
    """The place of a TransformerLens name in a Hugging Face model."""
    prefix, layers = _layers(model)
    if number >= len(layers):
        raise ValueError(f"the model has no {name!r}: its layers are blocks.0 to blocks.{len(layers) - 1}")
    part = part_of(layers[number], kind)
    if part is None:
        there = [f"blocks.{number}.{other}" for other in KINDS if part_of(layers[number], other)]
        near = difflib.get_close_matches(name, there, n=3, cutoff=0.8) or there
        raise ValueError(
            f"no place {name!r} is known in {type(layers[number]).__name__}; near names: {', '.join(near)}, "
            f"or a module's, such as {next(n for n, _ in model.named_modules() if n.startswith(f'{prefix}.{number}.'))}"
        )
    layer = f"{prefix}.{number}"
    module = f"{layer}.{part.module}" if part.module else layer
    return Hook(name, module, part.reads_input, layer if part.onto_input else None)


def _known(model: nn.Module) -> list[str]:
    """Names of places that a model has for certain."""
    if is_transformer_lens(model):
        points: Any = model.hook_dict
        return [name for name in points if re.search(r"hook_(resid_\w+|\w+_out|z|normalized)$", name)]
    try:
        prefix, layers = _layers(model)
    except ValueError:
        return []
    known = [f"{prefix}.{i}" for i in range(len(layers))]
    return known + [f"blocks.{i}.{kind}" for i, layer in enumerate(layers) for kind in KINDS if part_of(layer, kind)]


def layers_of(model: nn.Module) -> list[nn.Module]:
    """A model's decoder layers, in their order; none where it has no list of them."""
    try:
        return list(_layers(model)[1])
    except ValueError:
        return []


def layer_names(model: nn.Module) -> list[str]:
    """The dotted names of `layers_of`."""
    names = {id(module): name for name, module in model.named_modules()}
    return [names[id(layer)] for layer in layers_of(model)]


def layers_before(model: nn.Module, place: Hook | Between) -> list[nn.Module]:
    """The first of `layers_of`: those that are done when ``place`` is reached. None where it lies in no layer."""
    place = place.source if isinstance(place, Between) else place
    names = {id(module): name for name, module in model.named_modules()}
    layers = layers_of(model)
    for i, layer in enumerate(layers):
        if place.module == names[id(layer)]:
            return layers[: i if place.reads_input else i + 1]
        if place.module.startswith(names[id(layer)] + "."):
            return layers[:i]
    return []


def _first(value: Any, place: Hook) -> Tensor:
    """The hidden states of a module's output or arguments: a tensor, or the first entry of a tuple."""
    hidden = value[0] if isinstance(value, tuple) and value else value
    if not isinstance(hidden, Tensor) or hidden.dim() != 3:
        by_head = isinstance(hidden, Tensor) and hidden.dim() == 4 and place.name.endswith("hook_z")
        if not by_head:
            raise ValueError(
                f"{place.name!r} gives no hidden states of shape [batch, position, d_in]; try a layer's name"
            )
    return hidden


@contextmanager
def replacing(model: nn.Module, place: Hook | Between, function: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """While active, the hidden states [batch, position, d_in] at ``place`` are replaced by ``function`` of them.

    Those of a hook point that lays the heads of attention apart [batch, position, head, d_head] are one vector. Between
    two places ``function`` takes rows [batch, position, d_in + d_out], and what it gives [batch, position, d_out] is
    put at the second.
    """
    if isinstance(place, Between):
        read: list[Tensor] = []

        def kept(hidden: Tensor) -> Tensor:
            read[:] = [hidden]
            return hidden

        def given(hidden: Tensor) -> Tensor:
            if not read:
                raise ValueError(f"{place.target.name!r} comes before {place.source.name!r} in this model")
            return function(torch.cat([read.pop(), hidden], -1))

        with replacing(model, place.source, kept), replacing(model, place.target, given):
            yield
        return
    module = model.get_submodule(place.module)
    before: list[Tensor] = []  # the input of the layer that ``onto`` names

    def written(hidden: Tensor) -> Tensor:
        if not place.centred:
            return function(hidden)
        # Every layer of a model with LayerNorm subtracts the mean before it reads, so that it may stay as it was.
        mean = hidden.mean(-1, keepdim=True)
        return function(hidden - mean) + mean

    def replaced(hidden: Tensor) -> Tensor:
        if place.onto is not None:
            return written(before[-1] + hidden) - before[-1]
        return written(hidden.flatten(2)).reshape(hidden.shape)

    def on_output(_module: nn.Module, _args: Any, output: Any) -> Any:
        new = replaced(_first(output, place))
        return (new, *output[1:]) if isinstance(output, tuple) else new

    def on_input(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if args:
            return (replaced(_first(args[0], place)), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": replaced(_first(kwargs.get("hidden_states"), place))}

    def note(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        before[:] = [_first(args[0] if args else kwargs.get("hidden_states"), place)]

    handles = [
        module.register_forward_pre_hook(on_input, with_kwargs=True)
        if place.reads_input
        else module.register_forward_hook(on_output)
    ]
    if place.onto is not None:
        handles.append(model.get_submodule(place.onto).register_forward_pre_hook(note, with_kwargs=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def capture(model: nn.Module, place: Hook | Between, input_ids: Tensor) -> Tensor:
    """Hidden states [batch, position, d_in] at ``place``, without a gradient: `reached`."""
    with torch.no_grad():
        return reached(model, place, input_ids)


def outputs(model: nn.Module, names: Sequence[str], input_ids: Tensor) -> dict[str, Tensor]:
    """Hidden states [batch, position, d_in] that some modules give in one forward pass over ``input_ids``."""
    found: dict[str, Tensor] = {}

    def keep(name: str, hidden: Tensor) -> Tensor:
        found[name] = hidden
        return hidden

    with torch.no_grad(), ExitStack() as kept:
        for name in names:
            kept.enter_context(replacing(model, Hook(name, name), partial(keep, name)))
        logits_of(model, input_ids)
    return found


def reached(model: nn.Module, place: Hook | Between, input_ids: Tensor) -> Tensor:
    """Hidden states (between two places: rows) [batch, position, d_in]; the pass over ``input_ids`` stops there.

    Raises ValueError where the pass never comes by.
    """

    def stop(hidden: Tensor) -> Tensor:
        raise _Reached(hidden)

    with replacing(model, place, stop):
        try:
            logits_of(model, input_ids)
        except _Reached as stopped:
            return stopped.hidden
    hint = "its configuration may turn that hook point on" if is_transformer_lens(model) else "try a layer's name"
    raise ValueError(f"the forward pass of {type(model).__name__} never reaches {place.name!r}; {hint}")
