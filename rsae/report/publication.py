"""What `rsae push` uploads: a run's SAE, and a model card that says what it is worth."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from rsae.formats import load_sae, save_sae
from rsae.report.report import Report
from rsae.report.wording import COLUMNS, shown, spoken
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.storage.writing import new_directory

__all__ = ["FILES", "card", "publication"]

FILES = ("README.md", "cfg.json", "sae_weights.safetensors")
_METRICS = ("mse", "l0", "explained_variance", "delta_ce", "loss_recovered", "kl", "alive_fraction")
_LICENCE = re.compile(r"^license:\s*['\"]?([A-Za-z0-9.\-]+)", re.MULTILINE)
_MOST = 2**20  # characters of a card that are looked at


def publication(
    run: str | Path, folder: str | Path, repository: str, *, licence: str | None = None, overwrite: bool = False
) -> Path:
    """Write `FILES` of a finished run into a new directory; returns it.

    ``run`` is what `upgrade` was given as ``out``; ``repository`` ("owner/name") is where it is going; ``licence`` is
    that of the teacher, on whose weights these rest, by default the one that a card beside the teacher's files names.
    Paths of this machine are shortened to their last part. Raises FileNotFoundError or ValueError where that is no
    finished run, and what `save_sae` raises.
    """
    run = Path(run)
    report = Report.load(run / "report.json")
    sae = load_sae(run / "sae")
    sae.metadata = _without_paths(sae.metadata)
    text = card(report, sae, repository, licence=licence or licence_of(report.asked.sae))

    def fill(new: Path) -> None:
        written = save_sae(sae, new / "sae")
        for name in FILES[1:]:
            shutil.move(written / name, new / name)
        written.rmdir()
        (new / "README.md").write_text(text, encoding="utf-8")

    return new_directory(Path(folder), fill, set(FILES), overwrite)


def card(report: Report, sae: SparseAutoencoder, repository: str, *, licence: str | None = None) -> str:
    """The README.md of an SAE on the hub: YAML for the hub, then the outcome, how to load it and how it was made."""
    from huggingface_hub import ModelCardData

    model = _last(str(sae.metadata.get("model") or report.asked.hidden_states.get("source") or ""))
    about = ModelCardData(
        license=licence or "unknown",
        library_name="saelens",
        base_model=model if re.fullmatch(r"[\w.-]+/[\w.-]+", model) else None,
        tags=["sparse-autoencoder", "saelens", "rational-sae", "mechanistic-interpretability"],
    )
    asked = report.asked
    place = str(sae.metadata.get("hook") or asked.hidden_states.get("hook") or "an unnamed place")
    parts = [
        f"---\n{about.to_yaml()}\n---",
        f"# {repository}",
        f"A sparse autoencoder ({sae.family}, {sae.d_in} dimensions, {sae.d_sae} latents"
        f"{f', k = {sae.k}' if sae.k else ''}) for `{place}`{f' of `{model}`' if model else ''}, upgraded from "
        f"`{_last(asked.sae) or 'a teacher'}` with the package rational-sae.",
        f"**{report.decision}**" if report.decision else "",
        report.verdict,
        "## Measured",
        _table(report),
        _columns(report),
        "## Use",
        _use(repository),
        "## How it was made",
        _made(report),
        "## Licence",
        _licence(licence, asked.sae),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def licence_of(source: str) -> str | None:
    """The licence that a teacher's card names, where there is one beside its files or in the folder above."""
    place = Path(source) if source else None
    if place is None or not place.exists():
        return None
    for folder in (place, *place.absolute().parents[:2]):
        readme = folder / "README.md"
        if readme.is_file():
            _, opening, rest = readme.read_text(encoding="utf-8", errors="replace")[:_MOST].partition("---\n")
            found = _LICENCE.search(rest.partition("\n---")[0]) if opening else None
            if found:
                return found[1].lower()
    return None


def _table(report: Report) -> str:
    rows = [row for row in report.rows() if row.name in _METRICS]
    lines = [f"| metric | {' | '.join(map(spoken, report.columns))} |", f"|---|{'---:|' * len(report.columns)}"]
    lines += [f"| {row.label} | {' | '.join(shown(metric, row.name) for metric in row.metrics)} |" for row in rows]
    return "\n".join(lines)


def _columns(report: Report) -> str:
    return "\n".join(f"- *{spoken(name)}*: {COLUMNS[name]}" for name in report.columns if name in COLUMNS)


def _use(repository: str) -> str:
    return (
        f'```python\nimport rsae  # pip install "rational-sae[rsae]"\n\nsae = rsae.load_sae("{repository}")\n'
        "codes, reconstruction, _ = sae(hidden_states)  # [n, d_in]\n```\n\n"
        "In SAELens, after `import rsae.saelens`: `sae_lens.SAE.load_from_disk` of the downloaded folder."
    )


def _made(report: Report) -> str:
    asked, states = report.asked, report.asked.hidden_states
    recipe = asked.recipes.get("upgraded")
    facts = {
        "steps": asked.steps or None,
        "seeds": asked.seeds if asked.seeds > 1 else f"1 (seed {asked.seed})",
        "learning rate": f"{recipe.learning_rate:g}" if recipe else None,
        "batch size": recipe.batch_size if recipe else None,
        "text": _last(str(states["text"])) if states.get("text") else None,
        "context length": states.get("context_length"),
        "host's format": states.get("dtype"),
        "teacher's weights, SHA-256": asked.weights_sha256 or None,
        "rational-sae": asked.versions.get("rational_sae") or metadata.version("rational-sae"),
    }
    said = "\n".join(f"- {name}: {value}" for name, value in facts.items() if value is not None)
    return f"{said}\n\nThe control saw the same batches in the same order, for as many steps, at the same rates."


def _licence(licence: str | None, teacher: str) -> str:
    name = f"`{_last(teacher)}`" if teacher else "the teacher"
    if licence:
        return f"These weights rest on those of {name}, whose licence is **{licence}**."
    return f"These weights rest on those of {name}, whose licence is not known here; it holds for these, too."


def _last(path: str) -> str:
    """The last part of a path of this machine; other names as they are."""
    if path.startswith(("/", "~", "./", "../")):
        return PurePosixPath(path).name
    if re.match(r"[A-Za-z]:[\\/]", path):
        return PureWindowsPath(path).name
    return path


def _without_paths(value: Any) -> Any:
    """Plain values whose texts name no folder of this machine."""
    if isinstance(value, Mapping):
        return {key: _without_paths(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(entry) for entry in value]
    return _last(value) if isinstance(value, str) else value
