"""What an upgrade finds, as its report keeps it: metrics, evidence on codes and latents, and the question."""

import platform
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import rational_approx
from rsae.data.states import HiddenStates
from rsae.evaluation.comparison import Comparison
from rsae.evaluation.continuity import Places, continuity, places
from rsae.evaluation.histograms import histograms
from rsae.evaluation.latents import LATENTS, PROMOTED, activity, contexts_of, promoted
from rsae.evaluation.metrics import Metric, Metrics, evaluate
from rsae.evaluation.probing import Task, sparse_probing
from rsae.hosts.host import Host
from rsae.report.question import Question
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.storage.checkpoint import Checkpoint
from rsae.upgrading.plan import Plan
from rsae.upgrading.tuning import Tuning

__all__ = ["Measurements", "evidence", "question"]

_VECTORS = 16_384
_TOP = 20


class Measurements:
    """`evaluate` on the same hidden states and host, by label; ``seconds`` is what the last one took when it ran."""

    def __init__(self, hidden_states: HiddenStates, host: Host | None, checkpoint: Checkpoint | None = None) -> None:
        self.hidden_states, self.host, self.checkpoint = hidden_states, host, checkpoint
        self.seconds = 0.0

    def metrics(self, label: str, sae: SparseAutoencoder) -> Metrics:
        """Its metrics, from the checkpoint where they have been measured."""
        name = f"metrics {label}"
        if self.checkpoint is not None and (kept := self.checkpoint.load(name)) is not None:
            self.seconds = kept.values["seconds"]
            return {metric: Metric(**entry) for metric, entry in kept.values["metrics"].items()}
        if self.host is not None:  # losses that are the same for all columns are not in the time of one
            self.host.clean_loss(), self.host.zero_ablated_loss(), self.host.mean_ablated_loss()
        began = time.monotonic()
        found = evaluate(sae, self.hidden_states, self.host)
        self.seconds = time.monotonic() - began
        if self.checkpoint is not None:
            plain = {metric: entry.to_json() for metric, entry in found.items()}
            self.checkpoint.save(name, {}, metrics=plain, seconds=self.seconds)
        return found


def evidence(
    saes: Mapping[str, SparseAutoencoder],
    hidden_states: HiddenStates,
    host: Host | None = None,
    tasks: Sequence[Task] = (),
) -> dict[str, dict[str, Any]]:
    """Trees of plain values by name, as `Report` keeps them: histograms, continuity, latents, with tasks probing.

    ``saes`` are the columns; the teacher is compared with ``"upgraded"``, latent by latent, on the host's
    held-out contexts, so that a reader sees the words; without a host on held-out vectors. Of a ``"control"`` the
    latents that changed are kept, too.
    """
    readable = host is not None and host.contexts and host.tokenizer is not None
    if host is not None and readable:
        where = places(host, _VECTORS)
    else:
        none = hidden_states.held_out.new_empty(0)
        where = Places(hidden_states.held_out[:_VECTORS], none, none)
    top = min(_TOP, len(where.states))
    found = continuity(saes["teacher"], saes["upgraded"], where.states, top)
    fires = activity(saes["teacher"], saes["upgraded"], where.states, found)
    shown = sorted(found.order()[:LATENTS].tolist())
    contexts, words = {}, {}
    if host is not None and readable:
        contexts = contexts_of(saes["upgraded"], found, where, host, shown, fires.maximum)
        words = promoted(saes["upgraded"], host, shown, float(where.states.norm(dim=1).mean()))
    parts = {
        "histograms": histograms(saes["initialised"], saes["upgraded"], where.states),
        "continuity": found.to_json(contexts, len(where.states)),
        "latents": {**fires.to_json(shown), "promoted": words, "definition": PROMOTED},
    }
    if "control" in saes:
        beside = continuity(saes["teacher"], saes["control"], where.states, top)
        parts["continuity"]["control"] = {"changed": beside.changed().tolist()}
    if tasks:
        if host is None:
            raise ValueError("probing reads texts with a host, but these hidden states have none")
        parts["probing"] = sparse_probing(saes, host, tasks)
    return parts


def question(plan: Plan, tuning: Tuning | None, comparisons: tuple[Comparison, ...]) -> Question:
    """Everything needed to run a plan again, and the paired comparisons."""
    teacher, activation = plan.teacher, plan.arms["upgraded"].sae.activation
    return Question(
        sae=plan.source,
        family=teacher.family,
        d_in=teacher.d_in,
        d_sae=teacher.d_sae,
        k=teacher.k,
        weights_sha256=plan.weights,
        metadata={k: v for k, v in teacher.metadata.items() if isinstance(v, str | int | float | bool | None)},
        hidden_states=dict(plan.states.question),
        statistics=dict(plan.states.statistics),
        steps=plan.steps,
        seed=plan.seeds[0],
        seeds=len(plan.seeds),
        support=plan.settings.support,
        inputs=tuple(activation.inputs) if activation is not None else (),
        denominator=plan.settings.denominator if plan.settings.support == "exact" else "trainable",
        refine=plan.settings.refine,
        target_l0=plan.target_l0,
        recipes={name: replace(arm.recipe, steps=plan.steps * arm.budget) for name, arm in plan.arms.items()},
        device=str(plan.device),
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "rational_sae": rational_approx.__version__,
            **{name: metadata.version(name) for name in ("numpy", "transformers", "scikit-learn")},
        },
        command=_command(),
        threads=torch.get_num_threads(),
        comparisons=comparisons,
        tuning=None if tuning is None else tuning.to_json(),
    )


def _command() -> str:
    """The command line of this process; ``python -m rsae`` is written as ``rsae``."""
    program = Path(sys.argv[0])
    name = "rsae" if program.name == "__main__.py" and program.parent.name == "rsae" else program.name
    return shlex.join([name, *sys.argv[1:]])
