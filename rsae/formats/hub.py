"""SAEs on the hub: read through SAELens or huggingface_hub, written through huggingface_hub."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from rsae.formats.releases import find_release
from rsae.formats.writing import save_sae
from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["Fetched", "fetch", "push_sae"]


@dataclass(frozen=True)
class Fetched:
    """A downloaded SAE: its folder, or a live ``sae_lens`` one; what its release says of it, and says in its place."""

    found: nn.Module | Path
    about: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)


def fetch(release: str, sae_id: str | None) -> Fetched:
    """One SAE of a release that `releases` lists, or of a repository on the hub; downloaded, or out of the hub's cache.

    Layouts that this package does not read come through SAELens, where it is installed. Raises ValueError, in one
    sentence, where that cannot be (a wrong name, another kind of model, no connection).
    """
    known = find_release(release)
    folder = _checked(sae_id if known is None else known.folder(sae_id))
    named = f"SAE {sae_id!r} of release {release!r}"
    about = {"source": f"{release}, {sae_id or folder}", **({} if known is None else known.about)}
    if known is not None and known.refused:
        raise ValueError(f"{named} cannot be read: {known.refused}")
    repository, overrides = (release, {}) if known is None else (known.repository, known.overrides)
    try:
        if known is not None and known.through_sae_lens:
            from sae_lens import SAE

            return Fetched(SAE.from_pretrained(release, sae_id, device="cpu"), about)
        return Fetched(_downloaded(repository, folder), about, overrides)
    except Exception as error:  # connection, name and permission errors of several libraries
        reason = _first_line(error)
    raise ValueError(f"no {named}: {reason}; offline, give a local directory")


def _downloaded(repository: str, folder: str) -> Path:
    from huggingface_hub import snapshot_download

    place = Path(snapshot_download(repository, allow_patterns=[f"{folder}/*", folder])) / folder
    if not place.exists():
        raise ValueError(f"the repository has no {folder!r}")
    return place


def _checked(folder: str | None) -> str:
    if folder is None:
        raise ValueError("a repository holds many SAEs: give the folder of one, too (sae_id)")
    _check_folder(folder)
    return folder


def _check_folder(folder: str) -> None:
    if any(part in ("", ".", "..") for part in folder.split("/")):
        raise ValueError(f"sae_id {folder!r} is not the path of a folder in a release")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def push_sae(sae: SparseAutoencoder, repository: str, folder: str, *, private: bool = True) -> str:
    """Upload an SAE, in the layout of `save_sae`, into ``folder`` of a hub repository; returns its address.

    The repository is made where it does not exist (private unless said otherwise). `load_sae(repository, folder)` reads
    it back. Raises ValueError, in one sentence, where the hub refuses.
    """
    from huggingface_hub import HfApi

    _check_folder(folder)
    with tempfile.TemporaryDirectory() as scratch:
        saved = save_sae(sae, Path(scratch) / "sae")
        try:
            api = HfApi()
            api.create_repo(repository, private=private, exist_ok=True)
            api.upload_folder(repo_id=repository, folder_path=saved, path_in_repo=folder)
        except Exception as error:  # connection, name and permission errors of several libraries
            raise ValueError(f"the hub did not take the SAE into {repository!r}: {_first_line(error)}") from error
    return f"https://huggingface.co/{repository}/tree/main/{folder}"
