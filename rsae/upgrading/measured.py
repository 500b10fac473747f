"""`Measured`: the metrics of each column, measured once, kept in a checkpoint, with the time that one takes."""

import time

from rsae.data.states import HiddenStates
from rsae.evaluation.metrics import Metric, Metrics, evaluate
from rsae.hosts.host import Host
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.storage.checkpoint import Checkpoint

__all__ = ["Measured"]


class Measured:
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
