"""`save_sae`, the SAELens layout, and `export_torch`, a module that needs torch alone: written whole or not at all."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from rsae import ranks
from rsae.formats import standalone_module
from rsae.formats.record import record_of
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.division import AXES
from rsae.storage.shares import Shares, write_whole
from rsae.storage.writing import new_directory, plain

__all__ = ["export_torch", "save_sae"]

_ARCHITECTURES = {"relu": "standard", "jumprelu": "jumprelu", "topk": "topk"}
_TRANSCODERS = {  # by family, and whether there is a skip connection
    ("relu", False): "transcoder",
    ("relu", True): "skip_transcoder",
    ("jumprelu", False): "jumprelu_transcoder",
    ("jumprelu", True): "jumprelu_skip_transcoder",
}


def save_sae(sae: SparseAutoencoder, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write ``cfg.json`` and ``sae_weights.safetensors`` into the new directory ``path``; returns it.

    An SAE with its own gate is an ordinary SAELens one (architecture ``standard``, ``jumprelu`` or ``topk``); with a
    rational activation, a refinement, or the gate GroupMax its architecture is ``rational``, which
    ``import rsae.saelens`` makes known to SAELens. A ReLU or JumpReLU transcoder is one of SAELens's; any other is a
    ``rational_transcoder``, made known alike. All is written beside the target and renamed into place at the end. Of
    an SAE that several processes share all of them call this; none ever holds it whole.

    Raises FileExistsError for a directory that is not empty (with ``overwrite`` only where it holds anything but an
    SAE), NotADirectoryError for a file, FileNotFoundError where the parent does not exist.
    """
    tensors = _weights(sae)
    text = json.dumps(configuration(sae), indent=1, allow_nan=False)
    target, shared = Path(path), sae.latents.shared
    gathered = target.with_name(f".{target.name}.safetensors")
    if shared:
        write_whole(gathered, tensors, Shares(AXES, sae.d_sae))

    def fill(folder: Path) -> None:
        if shared:
            gathered.replace(folder / "sae_weights.safetensors")
        else:
            save_file(tensors, folder / "sae_weights.safetensors")
        (folder / "cfg.json").write_text(text, encoding="utf-8")

    ours = {"cfg.json", "sae_weights.safetensors", "sparsity.safetensors"}
    if not shared:
        return new_directory(target, fill, ours, overwrite)
    if ranks.rank() == 0:
        try:
            new_directory(target, fill, ours, overwrite)
        finally:
            gathered.unlink(missing_ok=True)
    ranks.meet()
    return target


def export_torch(sae: SparseAutoencoder, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write an SAE that needs nothing but torch: ``rational_sae.py`` with ``cfg.json`` and ``weights.pt``.

    ``from rational_sae import load; load()`` in that directory gives a module with ``encode``, ``decode`` and a forward
    pass that returns the reconstruction. Directories are treated as by `save_sae`; an SAE that processes share is to be
    gathered before (`rsae.sae.division.whole`).
    """
    if sae.latents.shared:
        raise ValueError("this SAE is a share of its latents: gather it with rsae.sae.division.whole, or use save_sae")
    text = json.dumps(configuration(sae) | {"rational": record_of(sae)}, indent=1, allow_nan=False)

    def fill(folder: Path) -> None:
        torch.save(_weights(sae), folder / "weights.pt")
        (folder / "cfg.json").write_text(text, encoding="utf-8")
        shutil.copyfile(standalone_module.__file__, folder / "rational_sae.py")

    return new_directory(Path(path), fill, {"cfg.json", "weights.pt", "rational_sae.py", "__pycache__"}, overwrite)


def _weights(sae: SparseAutoencoder) -> dict[str, Tensor]:
    named = {name: value.detach().cpu().float() for name, value in sae.named_parameters(recurse=False)}
    named.pop("residual_step", None)
    if sae.W_skip is not None:
        named["W_skip"] = named["W_skip"].T  # as in SAELens: [d_out, d_in]
    return {name: value.contiguous() for name, value in named.items()}


def configuration(sae: SparseAutoencoder) -> dict[str, Any]:
    """The SAELens configuration of an SAE."""
    architecture = _ARCHITECTURES.get(sae.family)
    if sae.transcodes:
        architecture = _TRANSCODERS.get((sae.family, sae.W_skip is not None))
    ordinary = sae.activation is None and sae.refine == "none" and architecture is not None
    other = "rational_transcoder" if sae.transcodes else "rational"
    read = sae.metadata.get("config")
    read = read if isinstance(read, dict) else {}
    nested = read.get("metadata")
    about = dict(nested) if isinstance(nested, dict) else {}
    names = {"hook": "hook_name", "model": "model_name", "context_length": "context_size", "prepend_bos": "prepend_bos"}
    for key, name in names.items():
        if name not in about and sae.metadata.get(key) is not None:
            about[name] = sae.metadata[key]
    if sae.transcodes and "->" in str(about.get("hook_name")):
        about["hook_name"], about["hook_name_out"] = (end.strip() for end in about["hook_name"].split("->", 1))
    if sae.metadata.get("centred") and "model_from_pretrained_kwargs" not in about:
        about["model_from_pretrained_kwargs"] = {"center_writing_weights": True}
    about["sae_lens_version"] = "6.54.12"  # the layout that is written here
    rest = {k: v for k, v in sae.metadata.items() if k not in {"config", *names} and k not in about}
    if sae.prefixes:
        rest["prefixes"] = list(sae.prefixes)
    config: dict[str, Any] = {
        "architecture": architecture if ordinary else other,
        "d_in": sae.d_in,
        "d_sae": sae.d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": sae.conventions.apply_b_dec_to_input,
        "normalize_activations": sae.conventions.normalise,
        "reshape_activations": read.get("reshape_activations", "none"),
        "metadata": plain(about | {"rsae": rest}),
    }
    if sae.transcodes:
        config["d_out"] = sae.d_out
        if not ordinary:
            config["skip"] = sae.W_skip is not None
    if sae.k is not None:
        config |= {"k": sae.k, "rescale_acts_by_decoder_norm": sae.conventions.rescale_by_decoder_norm}
    if not ordinary:
        config["rational"] = record_of(sae)
    return config
