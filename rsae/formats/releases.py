"""Releases of SAEs by name: SAELens's list where it is installed, and beside it a small record of our own.

`releases.json` is that record: of each release the repository, the host, the layout of its files, the family, and the
folder of each SAE by its ``sae_id`` (a list: the folders are the names; nothing: any folder of the repository).
"""

import difflib
import fnmatch
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from rsae.hosts.names import hub_name

__all__ = ["Release", "find_release", "releases"]

OURS = (
    *("sae-lens", "gemma-scope", "dictionary_learning", "sparsify", "llama_scope", "qwen_scope"),
    "goodfire",
)
_LAYOUTS = {
    None: "sae-lens",
    "gemma_2": "gemma-scope",
    "gemma_2_transcoder": "gemma-scope",
    "gemma_3": "gemma-scope",
    "dictionary_learning_1": "dictionary_learning",
}
_FAMILIES = {"gemma-scope": "jumprelu", "llama_scope": "jumprelu", "qwen_scope": "topk"}
_TRAINERS = {
    "topk": "topk",
    "vanilla": "relu",
    "standard": "relu",
    "panneal": "relu",
    "gated": "jumprelu",
    "matryoshka": "jumprelu",
}
_TRAINED = {"gemma-scope": {"context_length": 1024, "prepend_bos": True}}  # what its files do not say
_NO_SAES = ("crosscoder", "clt", "temporal")


@dataclass(frozen=True)
class Release:
    """A release: where its SAEs lie, and what is known of them without a download.

    ``saes`` has the folder of each SAE by its ``sae_id``; where it is empty, every folder of the repository may be one.
    ``overrides`` are entries that SAELens puts in the place of those of the SAEs' own configurations.

    >>> release = find_release("gpt2-small-res-jb")
    >>> release.host, release.family, release.refused, len(release.saes)
    ('gpt2', 'relu', '', 13)
    """

    name: str
    repository: str
    layout: str
    host: str | None = None
    family: str | None = None
    saes: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def refused(self) -> str:
        """Why its SAEs cannot be read; empty where they can, perhaps with sae-lens alone (`through_sae_lens`)."""
        if any(kind in f"{self.name} {self.layout}".lower() for kind in _NO_SAES):
            return "no SAEs of one linear encoder and one layer, which alone can be upgraded"
        if self.through_sae_lens and importlib.util.find_spec("sae_lens") is None:
            return 'needs sae-lens (pip install "rational-sae[saelens]")'
        return ""

    @property
    def about(self) -> dict[str, Any]:
        """Metadata of its SAEs that their own files may not have."""
        return {**({"model": self.host} if self.host else {}), **_TRAINED.get(self.layout, {})}

    @property
    def through_sae_lens(self) -> bool:
        """Whether its files are of a layout that SAELens reads, and this package does not."""
        return self.layout not in OURS

    def folder(self, sae_id: str | None) -> str:
        """The folder of an SAE in the repository.  Raises ValueError for a name that the release does not have."""
        if sae_id is None and len(self.saes) == 1:
            return next(iter(self.saes.values()))
        if self.saes and sae_id not in self.saes:
            near = difflib.get_close_matches(str(sae_id), self.saes, n=4, cutoff=0.6) or list(self.saes)[:4]
            given = "one of its SAEs must be named" if sae_id is None else f"it has no SAE {sae_id!r}"
            raise ValueError(
                f"release {self.name!r}: {given}; it has {', '.join(near)}, ... ({len(self.saes)} in all: "
                f"rsae releases {self.name})"
            )
        if sae_id is None:
            raise ValueError(f"release {self.name!r}: give the folder of one SAE in {self.repository}, too")
        return self.saes.get(sae_id, sae_id)


@cache
def _known() -> dict[str, Release]:
    listed, own = _of_sae_lens(), _recorded()
    for name, release in own.items():  # the record knows families that SAELens's list does not say
        if name in listed and listed[name].family is None:
            listed[name] = Release(**{**vars(listed[name]), "family": release.family})
    return dict(sorted((own | listed).items()))


def releases(pattern: str = "") -> list[Release]:
    """The releases whose name, host or repository holds ``pattern``, or matches it with ``*`` and ``?``, by name.

    >>> [release.name for release in releases("pythia-70m-deduped-res-*")]
    ['pythia-70m-deduped-res-sm']
    """
    wanted = pattern.lower()
    glob = wanted if any(mark in wanted for mark in "*?[") else f"*{wanted}*"
    return [
        release
        for release in _known().values()
        if any(fnmatch.fnmatch(text.lower(), glob) for text in (release.name, release.repository, release.host or ""))
    ]


def find_release(name: str) -> Release | None:
    """The release of a name, or a repository's own name as one; None for what can only be a path.

    Raises FileNotFoundError, with the nearest names, for a name without an owner that no list has.
    """
    if name in _known():
        return _known()[name]
    if name.count("/") == 1:
        return None
    near = difflib.get_close_matches(name, _known(), n=3, cutoff=0.5)
    hint = f"near names: {', '.join(near)}" if near else "rsae releases lists those that are known"
    raise FileNotFoundError(f"no SAE at {name}: no release, and no folder or file of that name; {hint}")


def _recorded() -> dict[str, Release]:
    text = Path(__file__).with_name("releases.json").read_text(encoding="utf-8")
    return {name: _release(name, **entry) for name, entry in json.loads(text).items()}


def _release(name: str, *, saes: Any, host: str | None = None, **entry: Any) -> Release:
    folders = {str(folder): str(folder) for folder in saes} if isinstance(saes, list) else saes
    return Release(name, host=host and hub_name(host), saes=folders, **entry)


def _of_sae_lens() -> dict[str, Release]:
    """SAELens's list, read without importing the library, which takes seconds; nothing where it is not installed."""
    found = importlib.util.find_spec("sae_lens")
    places = [Path(place) / "pretrained_saes.yaml" for place in found.submodule_search_locations or ()] if found else []
    for path in places:
        if path.is_file():
            return read_list(path)
    return {}


def read_list(path: Path) -> dict[str, Release]:
    """The releases of a list in the form of SAELens's ``pretrained_saes.yaml``."""
    import yaml  # comes with huggingface_hub

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast
    tree = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    listed = {}
    for name, entry in tree.items():
        layout = _LAYOUTS.get(entry.get("conversion_func"), entry.get("conversion_func"))
        saes = {str(sae["id"]): str(sae["path"]) for sae in entry["saes"]}
        listed[name] = _release(
            name,
            repository=entry["repo_id"],
            layout=layout,
            host=entry.get("model"),
            family=_FAMILIES.get(layout) or _family_by_name(f"{name} {next(iter(saes.values()), '')}", layout),
            saes=saes,
            overrides=entry.get("config_overrides") or {},
        )
    return listed


def _family_by_name(words: str, layout: str) -> str | None:
    """dictionary_learning's releases carry the trainer's class in their names."""
    if layout != "dictionary_learning":
        return None
    return next((family for word, family in _TRAINERS.items() if word in words.lower()), None)
