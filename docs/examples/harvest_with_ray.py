"""Harvest a text on a Ray cluster: each task reads one part, and Ray starts it again where its worker was lost.

    python docs/examples/harvest_with_ray.py MODEL HOOK TEXT FOLDER PARTS [GPUS_A_PART]

FOLDER lies on a file system that all nodes see. A task that is started again goes on after its last whole shard; so
does the script. How many tasks run at a time is for the cluster: as many as get a core, or so many GPUs, of their own.
"""

import sys
from pathlib import Path

import ray

from rsae.data.parts import harvest_parts, join_parts


@ray.remote(max_retries=3)
def read(model, hook, text, folder, part, options):
    """One part of the text, by whichever worker has room."""
    harvest_parts(model, text, hook, folder, [part], progress=False, **options)


def harvest(model, hook, text, folder, parts, gpus=0, **options):
    """All parts, then joined: `rsae.hidden_states(folder)`, or ``rsae upgrade --states folder``."""
    options["device"] = "cuda" if gpus else "cpu"
    tasks = read.options(num_cpus=1, num_gpus=gpus)
    ray.get([tasks.remote(model, hook, text, str(folder), (number, parts), options) for number in range(parts)])
    join_parts(folder)


if __name__ == "__main__":
    model, hook, text, folder, parts, *gpus = sys.argv[1:]
    harvest(model, hook, text, Path(folder).resolve(), int(parts), *map(float, gpus))
