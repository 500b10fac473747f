"""How many threads an upgrade takes: as many as were asked for, or what a few timed steps say."""

from dataclasses import replace

import torch

from rsae import ranks
from rsae.storage.checkpoint import Checkpoint
from rsae.threads import faster
from rsae.training.finetuning import started, stepping
from rsae.upgrading.plan import Plan

__all__ = ["threads_for"]

_STEPS = 16  # more than are ever timed


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
    count = _faster(plan) if most > 1 and plan.device.type == "cpu" and ranks.count() == 1 else most
    if work is not None:
        work.save("threads", {}, count=count)
    return count


def _faster(plan: Plan) -> int:
    """One thread or torch's own number, whichever takes a step faster."""
    arm = plan.arms["upgraded"].unstaged()
    training, scale = started(arm.sae, replace(arm.recipe, warmup=10**6), plan.calibration, plan.target_l0, 10**6)
    steps = stepping(training, scale, plan.states, arm.recipe.batch_size, plan.seeds[0], _STEPS)
    return faster(lambda: float(next(steps)[0]))
