"""How many threads an upgrade takes: as many as were asked for, or what a few timed steps say.

On cores that others use, too, threads wait for one another at every operation: two may take four times as long as one.
"""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from rsae import ranks
from rsae.storage.checkpoint import Checkpoint
from rsae.training.finetuning import started, stepping
from rsae.upgrading.plan import Plan

__all__ = ["threads_for", "using"]

clock = time.perf_counter

_ROUNDS, _SECONDS = 8, 0.3
_WORTH = 0.9  # more threads must be faster by a tenth: what they gain less is noise, and takes cores from others


@contextmanager
def using(count: int | None) -> Iterator[None]:
    """That many of torch's threads (None: as many as before) inside, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if count is None else count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def threads_for(plan: Plan, work: Checkpoint | None = None) -> int:
    """The threads of a plan: those of its settings; of a run that goes on, those that it had; else the faster choice.

    One thread and torch's own number are timed in turn, on training steps of a copy that is thrown away, for about a
    third of a second, and at least a step each. Nothing is timed for a GPU, where only one thread is to be had, or
    where several processes share the work: their launcher has shared the cores out.
    """
    if plan.settings.threads is not None:
        return plan.settings.threads
    if work is not None and (kept := work.load("threads")) is not None:
        return int(kept.values["count"])
    most = torch.get_num_threads()
    alone = most > 1 and plan.device.type == "cpu" and ranks.count() == 1
    count = _faster(plan, most) if alone else most
    if work is not None:
        work.save("threads", {}, count=count)
    return count


def _faster(plan: Plan, most: int) -> int:
    """One thread or ``most``, whichever takes a step faster; the first of several rounds only prepares."""
    arm = plan.arms["upgraded"].unstaged()
    training, scale = started(arm.sae, replace(arm.recipe, warmup=10**6), plan.calibration, plan.target_l0, 10**6)
    steps = stepping(training, scale, plan.states, arm.recipe.batch_size, plan.seeds[0], 2 * _ROUNDS)
    taken: dict[int, list[float]] = {1: [], most: []}
    first = clock()
    while len(taken[most]) < _ROUNDS and (clock() - first < _SECONDS or not taken[most]):
        for count, seconds in taken.items():
            with using(count):
                began = clock()
                float(next(steps)[0])
                seconds.append(clock() - began)
    medians = {count: statistics.median(seconds[1:] or seconds) for count, seconds in taken.items()}
    return most if medians[most] < _WORTH * medians[1] else 1
