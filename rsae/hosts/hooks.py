"""Where in a model hidden states are read and replaced: hook names of three spellings, resolved to one module."""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

__all__ = [
    *("Hook", "capture", "layer_names", "layers_before", "layers_of", "outputs", "reached", "replacing"),
    "resolve_hook",
]

_BLOCK_NAME = re.compile(r"blocks\.(\d+)\.hook_resid_(pre|post)")


@dataclass(frozen=True)
class Hook:
    """A place in a model: the output of a module, or (``hook_resid_pre``) the first input of a module.

    ``name`` is what was asked for, ``module`` the dotted name in the model. At a ``centred`` place every hidden state
    is read without its mean over d_in, and written with it: vectors as of TransformerLens's ``center_writing_weights``.
    """

    name: str
    module: str
    reads_input: bool = False
    centred: bool = False


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


def resolve_hook(model: nn.Module, name: str) -> Hook:
    """The place that ``name`` means in ``model``.

    Accepted are the dotted name of a module (``model.layers.2``, ``transformer.h.7``, ``gpt_neox.layers.3``), a unique
    ending of one (``layers.2``), and the names of TransformerLens, ``blocks.10.hook_resid_post`` (output of layer 10)
    and ``blocks.10.hook_resid_pre`` (its input, the output of layer 9).

    Raises ValueError, with the nearest names, where the model has no such place.
    """
    if not isinstance(name, str):
        raise TypeError(f"a hook is the name of a module such as 'model.layers.2', not {type(name).__name__}")
    names = [n for n, _ in model.named_modules() if n]
    if name in names:
        return Hook(name, name)
    if match := _BLOCK_NAME.fullmatch(name):
        prefix, layers = _layers(model)
        number = int(match[1])
        if number < len(layers):
            return Hook(name, f"{prefix}.{number}", reads_input=match[2] == "pre")
        raise ValueError(f"the model has no {name!r}: its layers are blocks.0 to blocks.{len(layers) - 1}")
    endings = [n for n in names if n.endswith("." + name)]
    if name and len(endings) == 1:
        return Hook(name, endings[0])
    try:
        prefix, layers = _layers(model)
        known = [f"{prefix}.{i}" for i in range(len(layers))]
        known += [f"blocks.{i}.hook_resid_post" for i in range(len(layers))]
    except ValueError:
        known = names
    near = endings[:3] or difflib.get_close_matches(name, dict.fromkeys(known + names), n=3, cutoff=0.5) or known[:3]
    raise ValueError(f"the model has no hook {name!r}; near names: {', '.join(near)}")


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


def layers_before(model: nn.Module, place: Hook) -> list[nn.Module]:
    """The first of `layers_of`: those that are done when ``place`` is reached. None where it lies in no layer."""
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
        raise ValueError(f"{place.name!r} gives no hidden states of shape [batch, position, d_in]; try a layer's name")
    return hidden


@contextmanager
def replacing(model: nn.Module, place: Hook, function: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """While active, the hidden states [batch, position, d_in] at ``place`` are replaced by ``function`` of them."""
    module = model.get_submodule(place.module)

    def replaced(hidden: Tensor) -> Tensor:
        if not place.centred:
            return function(hidden)
        # Every layer of a model with LayerNorm subtracts the mean before it reads, so that it may stay as it was.
        mean = hidden.mean(-1, keepdim=True)
        return function(hidden - mean) + mean

    def on_output(_module: nn.Module, _args: Any, output: Any) -> Any:
        new = replaced(_first(output, place))
        return (new, *output[1:]) if isinstance(output, tuple) else new

    def on_input(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if args:
            return (replaced(_first(args[0], place)), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": replaced(_first(kwargs.get("hidden_states"), place))}

    if place.reads_input:
        handle = module.register_forward_pre_hook(on_input, with_kwargs=True)
    else:
        handle = module.register_forward_hook(on_output)
    try:
        yield
    finally:
        handle.remove()


def capture(model: nn.Module, place: Hook, input_ids: Tensor) -> Tensor:
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
        model(input_ids=input_ids, use_cache=False)
    return found


def reached(model: nn.Module, place: Hook, input_ids: Tensor) -> Tensor:
    """Hidden states [batch, position, d_in] at ``place``; the forward pass over ``input_ids`` stops there.

    No attention mask is given: contexts are padded on the right, and a causal model's positions never see what follows.
    """

    def stop(hidden: Tensor) -> Tensor:
        raise _Reached(hidden)

    with replacing(model, place, stop):
        try:
            model(input_ids=input_ids, use_cache=False)
        except _Reached as stopped:
            return stopped.hidden
    raise ValueError(f"the forward pass of {type(model).__name__} never reaches {place.name!r}; try a layer's name")
