"""What a report shows besides its columns: where the codes lie, what became of each latent, and sparse probing."""

from collections.abc import Mapping, Sequence
from typing import Any

from rsae.data.states import HiddenStates
from rsae.evaluation.continuity import Places, continuity, in_contexts, places
from rsae.evaluation.histograms import histograms
from rsae.evaluation.probing import Task, sparse_probing
from rsae.hosts.host import Host
from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["evidence"]

_VECTORS = 16_384
_TOP = 20


def evidence(
    saes: Mapping[str, SparseAutoencoder],
    hidden_states: HiddenStates,
    host: Host | None = None,
    tasks: Sequence[Task] = (),
) -> dict[str, dict[str, Any]]:
    """Trees of plain values by name, as `Report` keeps them: histograms, continuity, and with tasks also probing.

    ``saes`` are the columns; the teacher is compared with ``"upgraded"``, latent by latent, on the host's
    held-out contexts, so that a reader sees the words; without a host on held-out vectors.
    """
    readable = host is not None and host.contexts and host.tokenizer is not None
    if host is not None and readable:
        where = places(host, _VECTORS)
    else:
        none = hidden_states.held_out.new_empty(0)
        where = Places(hidden_states.held_out[:_VECTORS], none, none)
    found = continuity(saes["teacher"], saes["upgraded"], where.states, min(_TOP, len(where.states)))
    contexts = in_contexts(found, where, host) if host is not None and readable else {}
    parts = {
        "histograms": histograms(saes["initialised"], saes["upgraded"], where.states),
        "continuity": found.to_json(contexts, len(where.states)),
    }
    if tasks:
        if host is None:
            raise ValueError("probing reads texts with a host, but these hidden states have none")
        parts["probing"] = sparse_probing(saes, host, tasks)
    return parts
