"""SAEs on the hub: read through SAELens or huggingface_hub, written through huggingface_hub."""

import tempfile
from pathlib import Path

from torch import nn

from rsae.formats.writing import save_sae
from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["fetch", "push_sae"]


def fetch(release: str, sae_id: str) -> nn.Module | Path:
    """A live ``sae_lens`` SAE of a listed release, or the folder of one downloaded from a hub repository.

    Raises ValueError, in one sentence, where neither gives it (a wrong name, or no connection).
    """
    _check_folder(sae_id)
    try:
        if "/" not in release:
            from sae_lens import SAE

            found: nn.Module = SAE.from_pretrained(release, sae_id, device="cpu")
            return found
        from huggingface_hub import snapshot_download

        folder = Path(snapshot_download(release, allow_patterns=[f"{sae_id}/*", f"{sae_id}"])) / sae_id
        if folder.exists():
            return folder
        reason = f"the repository has no {sae_id!r}"
    except ModuleNotFoundError:
        reason = 'sae-lens, which knows releases by name, is not installed (pip install "rational-sae[saelens]")'
    except Exception as error:  # connection, name and permission errors of several libraries
        reason = _first_line(error)
    raise ValueError(f"no SAE {sae_id!r} of release {release!r}: {reason}; offline, give a local directory")


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
