"""A repository of the hub that holds one SAE, at its root: uploaded as a folder, and read back by its name alone."""

import re
from pathlib import Path

__all__ = ["check_repository", "check_token", "fetch_repository", "names_repository", "push_folder"]

_FILES = ("cfg.json", "config.json", "sae_weights.safetensors", "sae.safetensors", "params.*", "ae.pt")
_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def names_repository(source: str) -> bool:
    """Whether a source that is no file here may be "owner/name" on the hub: no folder here is called like the owner.

    >>> names_repository("owner/name"), names_repository("runs/layer_8/sae"), names_repository("./sae")
    (True, False, False)
    """
    owner = source.partition("/")[0]
    return _NAME.fullmatch(source) is not None and owner.strip(".") != "" and not Path(owner).exists()


def check_repository(repository: str) -> None:
    """Refuse a name that is not "owner/name"."""
    if not _NAME.fullmatch(repository):
        raise ValueError(f"a repository is named owner/name, not {repository!r}")


def check_token() -> None:
    """Refuse to begin an upload that the hub would refuse at its end for want of a token."""
    from huggingface_hub import get_token

    if get_token() is None:
        raise ValueError("the hub needs a token to upload: `hf auth login` keeps one, or set HF_TOKEN to it")


def fetch_repository(repository: str) -> Path:
    """The folder, in the hub's cache, of a repository whose root is an SAE; downloaded where it is not there.

    Raises FileNotFoundError, in one sentence, for a name that the hub does not know, without a connection, and for a
    repository that has its SAEs in folders.
    """
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(repository, allow_patterns=list(_FILES)))
    except Exception as error:  # connection, name and permission errors of several libraries
        raise FileNotFoundError(
            f"no SAE at {repository}: it is neither a directory nor a file here, and the hub did not give it "
            f"({_first_line(error)})"
        ) from error
    if not any(entry for pattern in _FILES[2:] for entry in folder.glob(pattern)):
        raise FileNotFoundError(f"the repository {repository} has no SAE at its root; name its folder, too (sae_id)")
    return folder


def push_folder(folder: Path, repository: str, *, private: bool = True) -> str:
    """Upload the files of a folder to the root of a repository, made where it does not exist; returns its address.

    Raises ValueError, in one sentence, where the hub refuses.
    """
    from huggingface_hub import HfApi

    try:
        api = HfApi()
        api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=folder, commit_message="Rational SAE, with its card")
    except Exception as error:  # connection, name and permission errors of several libraries
        raise ValueError(f"the hub did not take {repository!r}: {_first_line(error)}") from error
    return f"https://huggingface.co/{repository}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
