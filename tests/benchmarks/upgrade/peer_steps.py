"""Training steps of other libraries, as `training.py` times them: each as its authors wrote it, with fused Adam."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["NAMES", "peer", "peers"]

Step = Callable[[Tensor], Any]


def sae_lens(family: str, d_in: int, d_sae: int, k: int, device: str) -> Step:
    """sae-lens's own training forward pass."""
    from sae_lens.saes.jumprelu_sae import JumpReLUTrainingSAE, JumpReLUTrainingSAEConfig
    from sae_lens.saes.sae import TrainStepInput
    from sae_lens.saes.standard_sae import StandardTrainingSAE, StandardTrainingSAEConfig
    from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig

    if family == "topk":
        sae: Any = TopKTrainingSAE(TopKTrainingSAEConfig(d_in=d_in, d_sae=d_sae, k=k, device=device))
    elif family == "jumprelu":
        sae = JumpReLUTrainingSAE(JumpReLUTrainingSAEConfig(d_in=d_in, d_sae=d_sae, device=device))
    else:
        sae = StandardTrainingSAE(StandardTrainingSAEConfig(d_in=d_in, d_sae=d_sae, device=device))
    optimiser = torch.optim.Adam(sae.parameters(), lr=1e-5, fused=True)
    coefficients = {"l1": 1e-3, "l0": 1e-3}

    def step(x: Tensor) -> None:
        found = sae.training_forward_pass(TrainStepInput(x, coefficients, None, 0, False))
        optimiser.zero_grad()
        found.loss.backward()
        optimiser.step()

    return step


def dictionary_learning(family: str, d_in: int, d_sae: int, k: int, device: str) -> Step:
    """The forward passes and losses of dictionary_learning's trainers, with fused Adam."""
    from dictionary_learning.trainers import StandardTrainer, TopKTrainer

    common = {
        "activation_dim": d_in,
        "dict_size": d_sae,
        "steps": 10**6,
        "layer": 0,
        "lm_name": "none",
        "device": device,
    }
    if family == "topk":
        trainer: Any = TopKTrainer(**common, k=k)
    else:
        trainer = StandardTrainer(**common, resample_steps=None)
    count = iter(range(10**9))
    if hasattr(trainer, "optimizer") and type(trainer.optimizer) is torch.optim.Adam:
        trainer.optimizer = torch.optim.Adam(trainer.ae.parameters(), lr=1e-5, fused=True)
    return lambda x: trainer.update(next(count), x)


def sparsify(family: str, d_in: int, d_sae: int, k: int, device: str) -> Step:
    """sparsify's coder with its sparse decoder."""
    from sparsify import SparseCoder, SparseCoderConfig

    coder = SparseCoder(d_in, SparseCoderConfig(num_latents=d_sae, k=k, activation=family), device=device)
    optimiser = torch.optim.Adam(coder.parameters(), lr=1e-5, fused=True)

    def step(x: Tensor) -> None:
        found = coder(x)
        optimiser.zero_grad()
        found.fvu.backward()
        optimiser.step()
        coder.set_decoder_norm_to_unit_norm()

    return step


_MAKERS = {
    "sae-lens standard": (sae_lens, "standard"),
    "sae-lens jumprelu": (sae_lens, "jumprelu"),
    "sae-lens topk": (sae_lens, "topk"),
    "dictionary_learning standard": (dictionary_learning, "standard"),
    "dictionary_learning topk": (dictionary_learning, "topk"),
    "sparsify topk": (sparsify, "topk"),
}
NAMES = tuple(_MAKERS)


def peer(name: str, d_in: int, d_sae: int, k: int, device: str = "cpu") -> Step:
    """The step of one of `NAMES`.  ImportError where the library, or this version of it, is not there."""
    make, family = _MAKERS[name]
    try:
        return make(family, d_in, d_sae, k, device)
    except (ImportError, TypeError, AttributeError) as error:
        raise ImportError(f"{type(error).__name__}: {str(error)[:90]}") from error


def peers(d_in: int, d_sae: int, k: int, only: str | None = None) -> dict[str, Step]:
    """Those that are installed, or ``only`` one of them."""
    found: dict[str, Step] = {}
    for name in NAMES if only is None else [name for name in NAMES if name == only]:
        try:
            found[name] = peer(name, d_in, d_sae, k)
        except ImportError as error:
            print(f"skipped: {name}: {error}")
    return found
