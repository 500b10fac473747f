"""`load_sae`: which format a file or directory is in is told by what is on disk."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import nn

from rsae.formats.circuit_tracer import is_circuit_tracer, read_circuit_tracer
from rsae.formats.crosscoders import is_crosscoder, read_crosscoder
from rsae.formats.dictionary_learning import read_dictionary
from rsae.formats.gemma_scope import read_gemma_scope
from rsae.formats.goodfire import is_goodfire, read_goodfire
from rsae.formats.hub import fetch
from rsae.formats.kissane import read_kissane
from rsae.formats.llama_scope import read_llama_scope
from rsae.formats.openai import is_openai, read_openai
from rsae.formats.parts import check_whole
from rsae.formats.qwen_scope import is_qwen_scope, read_qwen_scope
from rsae.formats.repository import fetch_repository, names_repository
from rsae.formats.sae_lens import from_live, read_sae_lens
from rsae.formats.sparsify import read_sparsify
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.storage.reading import read_json, read_npz, read_safetensors, read_torch

__all__ = ["load_sae"]

_WEIGHTS = {
    "sae_weights.safetensors": "sae-lens",
    "sae.safetensors": "sparsify",
    "params.npz": "Gemma Scope 1",
    "params.safetensors": "Gemma Scope 2",
    "checkpoints/final.safetensors": "Llama Scope",
    "ae.pt": "dictionary_learning",
}


def load_sae(source: Any, sae_id: str | None = None) -> SparseAutoencoder:
    """A pre-trained sparse autoencoder or transcoder, in float32 on the CPU.

    ``source`` is a directory or file of sae-lens (3 to 6), sparsify, Gemma Scope (1, 2), Llama Scope, Qwen Scope,
    Goodfire, dictionary_learning, openai/sparse_autoencoder or circuit-tracer; a live ``sae_lens`` object; or a release
    on the hub (one that `releases` lists, or the name of a repository), of which ``sae_id`` names one SAE; without it
    the repository holds one. A local directory may stand for a release.

    Raises FileNotFoundError where there is nothing, TypeError for another object, and ValueError for files that are
    broken, of another kind of model, or inconsistent, each in one sentence.
    """
    if isinstance(source, SparseAutoencoder):
        return source
    if isinstance(source, nn.Module):
        if type(source).__module__.partition(".")[0] in {"sae_lens", "rsae"} and hasattr(source, "cfg"):
            return from_live(source)
        raise TypeError(f"{type(source).__name__} is no SAE that is known; give a sae_lens one, or a path")
    if not isinstance(source, str | Path):
        raise TypeError(f"an SAE is given as a path, a release name or a sae_lens object, not {type(source).__name__}")
    path = Path(source)
    if sae_id is not None and path.is_dir():
        path = path / sae_id
    elif not path.exists() and (sae_id is not None or path.name == str(source)):
        fetched = fetch(str(source), sae_id)
        sae = _read(fetched.found, fetched.overrides)
        sae.metadata = {**fetched.about, **sae.metadata, "source": fetched.about["source"]}
        if "matryoshka" in str(source).lower():
            sae.metadata["nested"] = True
        return sae
    if not path.exists() and names_repository(str(source)):
        sae = _read(fetch_repository(str(source)))
        sae.metadata = {**sae.metadata, "source": str(source)}
        return sae
    if not path.exists():
        raise FileNotFoundError(f"no SAE at {path}; give a directory, a file, or a release with its sae_id")
    return _read(path)


def _read(found: nn.Module | Path, overrides: Mapping[str, Any] = MappingProxyType({})) -> SparseAutoencoder:
    if not isinstance(found, Path):
        return from_live(found)
    sae = _read_directory(found, overrides) if found.is_dir() else _read_file(found, overrides)
    for parameter in sae.parameters():  # stored transposed, they would multiply in another order than after saving
        parameter.data = parameter.data.contiguous()
    return sae


def _read_directory(folder: Path, overrides: Mapping[str, Any]) -> SparseAutoencoder:
    names = [name for name in _WEIGHTS if (folder / name).is_symlink() or (folder / name).exists()]
    if len(names) > 1:
        raise ValueError(f"{folder} holds SAEs of several formats ({', '.join(names)}); give the file that you mean")
    if names:
        return _read_file(folder / names[0], overrides)
    others = sorted([*folder.glob("*.pt"), *folder.glob("*.pth")])
    if len(others) == 1:
        return _read_file(others[0], overrides)
    check_whole(folder)
    inside = ", ".join(sorted(entry.name for entry in folder.iterdir())[:8]) or "nothing"
    raise ValueError(f"{folder} holds no SAE: it has {inside}, and none of {', '.join(_WEIGHTS)}")


def _read_file(file: Path, overrides: Mapping[str, Any]) -> SparseAutoencoder:
    """``overrides`` replace entries of a SAELens configuration, as SAELens's list of releases asks for."""
    folder, source = file.parent, str(file.parent)
    if file.name == "sae_weights.safetensors":
        return read_sae_lens({**read_json(folder / "cfg.json"), **overrides}, read_safetensors(file), source)
    if file.name == "sae.safetensors":
        run = folder.parent / "config.json"
        training = read_json(run) if run.is_file() else None
        return read_sparsify(read_json(folder / "cfg.json"), read_safetensors(file), source, training)
    if file.name == "params.npz":
        return read_gemma_scope({}, read_npz(file), source)
    if file.name == "params.safetensors":
        config = folder / "config.json"
        return read_gemma_scope(read_json(config) if config.exists() else {}, read_safetensors(file), source)
    if file.name == "final.safetensors":
        return read_llama_scope(
            read_json(folder.parent / "hyperparams.json"), read_safetensors(file), str(folder.parent)
        )
    if is_circuit_tracer(file):
        return read_circuit_tracer(read_safetensors(file), file)
    if file.suffix in {".pt", ".pth"}:
        state, beside = read_torch(file), file.with_name(f"{file.stem}_cfg.json")
        if is_qwen_scope(file):
            return read_qwen_scope(state, file)
        if is_goodfire(state):
            return read_goodfire(state, str(file))
        if beside.is_file():
            return read_kissane(read_json(beside), state, str(file))
        if is_openai(state):
            return read_openai(state, str(file))
        if is_crosscoder(state):
            config = folder / "cfg.json"
            return read_crosscoder(read_json(config) if config.is_file() else None, state, str(file))
        configs = [config for config in (folder / "config.json", folder.parent / "config.json") if config.is_file()]
        found = read_dictionary(read_json(configs[0]) if configs else None, state, str(file))
        if (folder / "eval_results.json").is_file():
            measured = read_json(folder / "eval_results.json")
            names = {"l0": "l0", "frac_variance_explained": "explained_variance"}
            found.metadata |= {ours: measured[theirs] for theirs, ours in names.items() if theirs in measured}
        return found
    check_whole(file)
    raise ValueError(f"{file} is no file of an SAE that is known; known are {', '.join(_WEIGHTS)} and .pt files")
