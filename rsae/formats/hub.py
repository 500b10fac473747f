"""SAEs by the name of a release: through SAELens where it is installed, else through huggingface_hub."""

from pathlib import Path
from typing import Any

__all__ = ["fetch"]


def fetch(release: str, sae_id: str) -> Any:
    """A live ``sae_lens`` SAE of a listed release, or the folder of one downloaded from a hub repository.

    Raises ValueError, in one sentence, where neither gives it (a wrong name, or no connection).
    """
    if any(part in ("", ".", "..") for part in sae_id.split("/")):
        raise ValueError(f"sae_id {sae_id!r} is not the path of a folder in a release")
    reasons = []
    if "/" not in release:
        try:
            from sae_lens import SAE
        except ImportError:
            reasons.append(
                'sae-lens, which knows releases by name, is not installed (pip install "rational-sae[saelens]")'
            )
        else:
            try:
                return SAE.from_pretrained(release, sae_id, device="cpu")
            except Exception as error:  # the library passes on whatever its downloads raise
                reasons.append(_first_line(error))
    else:
        try:
            from huggingface_hub import snapshot_download

            folder = Path(snapshot_download(release, allow_patterns=[f"{sae_id}/*", f"{sae_id}"])) / sae_id
            if folder.exists():
                return folder
            reasons.append(f"the repository has no {sae_id!r}")
        except Exception as error:  # connection, name and permission errors of several libraries
            reasons.append(_first_line(error))
    raise ValueError(f"no SAE {sae_id!r} of release {release!r}: {'; '.join(reasons)}; offline, give a local directory")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
