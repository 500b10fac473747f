"""The entry ``rational`` of a configuration: a rational activation as JSON numbers.

The coefficients live in the configuration and not among the weights: tools cast all weights to the SAE's dtype, and
bfloat16 would move coefficients by 4e-3. A float32 number survives JSON exactly.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import torch
from torch import nn

from rational_approx.arithmetic.domain import Domain
from rational_approx.rationals.rational import Rational
from rsae.activations.paper import Activation, PaperActivation
from rsae.activations.polynomial import PolynomialActivation
from rsae.activations.ratio import RationalActivation
from rsae.formats.checked import number
from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["record_of", "recorded"]

_COEFFICIENTS = ("numerator", "denominator", "arch")
_VERSION = 1
"""Of the entry ``rational``. Files of 0.1.0 do not name it, and are of version 1."""


def record_of(sae: SparseAutoencoder) -> dict[str, Any]:
    """What a plain SAELens configuration cannot say about this SAE."""
    gate = sae.activation
    record: dict[str, Any] = {"version": _VERSION, "family": sae.family, "k": sae.k, "refine": sae.refine}
    record["activation"] = None
    if sae.residual_step is not None:
        record["residual_step"] = sae.residual_step.tolist()
    if isinstance(gate, PolynomialActivation):
        raise ValueError("no format holds a polynomial in h: it is a column for comparison; save the upgraded SAE")
    if gate is not None:
        entry: dict[str, Any] = {name: getattr(gate, name).tolist() for name in _COEFFICIENTS}
        if isinstance(gate, PaperActivation):
            entry |= {
                "kind": "paper",
                "input_scale": gate.input_scale.item(),
                "output_scale": gate.output_scale.item(),
                "tolerance": gate.tolerance,
            }
        else:
            entry |= {"kind": "ratio", "inputs": list(gate.inputs)}
        record["activation"] = entry
    return record


def recorded(
    record: Mapping[str, Any], source: str, kind: type[SparseAutoencoder] = SparseAutoencoder, **options: Any
) -> SparseAutoencoder:
    """The SAE (``kind``: or transcoder) of weights and options, with the activation and the refinement of a record,
    which may be empty.

    Raises ValueError for anything but plain finite numbers in known places.
    """
    version = record.get("version", 1)
    if version != _VERSION:
        raise ValueError(f"the rational of {source} is of version {version!r}, not {_VERSION}; try a newer rsae")
    sae = kind(**options, activation=_activation(record, source), refine=record.get("refine", "none"))
    if sae.residual_step is not None:
        steps = record.get("residual_step", 0.0)
        known = [number(step, f"residual_step of {source}") for step in (steps if isinstance(steps, list) else [steps])]
        if len(known) != sae.residual_step.numel():
            raise ValueError(f"{source} has {len(known)} steps for the refinement {sae.refine!r}")
        sae.residual_step.data.copy_(torch.tensor(known).reshape(sae.residual_step.shape))
    return sae


def _activation(record: Mapping[str, Any], source: str) -> Activation | None:
    entry = record.get("activation")
    if entry is None:
        return None
    if not isinstance(entry, Mapping):
        raise ValueError(f"the activation of {source} is {type(entry).__name__}, not an object")
    lists = [_list(entry.get(name), f"the {name} of {source}") for name in _COEFFICIENTS]
    if entry.get("kind") == "ratio":
        inputs = entry.get("inputs")
        if not isinstance(inputs, list) or not all(isinstance(name, str) for name in inputs):
            raise ValueError(f"the inputs of the activation of {source} are {inputs!r}, not a list of names")
        return RationalActivation.from_coefficients(lists[0], lists[1], lists[2], inputs)
    if entry.get("kind") == "paper":
        start = Rational((Fraction(1),), (Fraction(1),), Domain.of((-1, 1)))
        scales = [number(entry.get(n), f"{n} of {source}") for n in ("input_scale", "output_scale", "tolerance")]
        gate = PaperActivation(start, *scales)
        for name, values in zip(_COEFFICIENTS, lists, strict=True):
            setattr(gate, name, nn.Parameter(torch.tensor(values)))
        return gate
    raise ValueError(f"the activation of {source} is of the unknown kind {entry.get('kind')!r}; try a newer rsae")


def _list(value: Any, name: str) -> list[float]:
    if not isinstance(value, list) or len(value) > 1000:
        raise ValueError(f"{name} is not a list of at most 1000 numbers")
    return [number(entry, f"an entry of {name}") for entry in value]
