"""Work that several processes share, as torchrun would start them, forked from one that has imported everything.

``python -m tests.rsae.material.ranks_training FAMILY OUT FOLDER`` is the same under a real torchrun.
"""

import contextlib
import json
import multiprocessing
import os
import socket
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.optim.optimizer import register_optimizer_step_post_hook

from rsae import ranks
from rsae.progress import Progress
from rsae.storage.checkpoint import Checkpoint, fingerprint
from rsae.training.finetuning import finetune
from rsae.training.recipe import recipe_for
from rsae.training.sharded import ShardedAdam
from rsae.upgrading.calibration import calibrate
from tests.rsae.material.sparse_data import sparse_states, teacher

STEPS = 30
BATCH = 252  # shared evenly between two and between three
SHAPES = ((16, 48), (48, 16), (7,), (2,), ())  # of the parameters in `adam`; the first lies transposed in memory


class Stopped(Exception):
    """Ends a training at a step, in every rank."""


def train(family: str, out: str, folder: str, lost_at: int = 0, stop_at: int = 0) -> str:
    """Train a family, the result to ``out``, a checkpoint after every step; returns the result's fingerprint.

    With ``lost_at`` the last rank ends itself at that step; with ``stop_at`` all of them end there, without a result.
    """

    def progress(event: Progress) -> None:
        if event.step == lost_at and ranks.rank() == ranks.count() - 1 > 0:
            os._exit(9)
        if event.step == stop_at:
            raise Stopped

    torch.set_num_threads(1)
    with ranks.joined("cpu"), contextlib.suppress(Stopped):
        states = sparse_states()
        start = calibrate(teacher(family), states)
        work = Checkpoint(folder, every=1)
        recipe = recipe_for(start, batch_size=BATCH)
        trained = finetune(start, states, steps=STEPS, recipe=recipe, target_l0=4.0, checkpoint=work, progress=progress)
        if ranks.rank() == 0:
            save_file({name: value.detach().contiguous() for name, value in trained.named_parameters()}, out)
        return fingerprint(trained.parameters())
    return ""


def parameters() -> list[torch.Tensor]:
    """Zeros of all `SHAPES`."""
    first, *rest = (torch.zeros(shape) for shape in SHAPES)
    return [first.T.contiguous().T, *rest]


def gradients(step: int) -> list[torch.Tensor]:
    """One for each of the parameters."""
    generator = torch.Generator().manual_seed(step)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


def adam(out: str, first: int, last: int) -> str:
    """`ShardedAdam` from step ``first`` to ``last``, from and to ``out``; the mean gradient is the same for any number.

    Returns JSON: how many entries the moments have that this rank holds, and the fingerprint of its parameters.
    """
    held = 0

    def count(optimiser: torch.optim.Optimizer, *_: Any) -> None:
        nonlocal held
        held = sum(state[name].numel() for state in optimiser.state.values() for name in ("exp_avg", "exp_avg_sq"))

    hook = register_optimizer_step_post_hook(count)
    with ranks.joined("cpu"):
        values = parameters()
        optimiser = ShardedAdam([(values[:2], 1e-2), (values[2:], 1e-1)])
        kept = load_file(out) if first else {}
        for i, value in enumerate(values if first else []):
            value.copy_(kept[f"value.{i}"])
            moments = {name: torch.empty_like(value).copy_(kept[f"{name}.{i}"]) for name in ("exp_avg", "exp_avg_sq")}
            optimiser.restore(value, moments, first)
        for step in range(first, last):
            for value, gradient in zip(values, gradients(step), strict=True):
                value.grad = torch.empty_like(value).copy_(gradient * 2 * (ranks.rank() + 1) / (ranks.count() + 1))
            optimiser.step(1.0)
        state = {f"{name}.{i}": m for i, value in enumerate(values) for name, m in optimiser.moments(value).items()}
        state |= {f"value.{i}": value for i, value in enumerate(values)}
        if ranks.rank() == 0:
            save_file({name: value.contiguous() for name, value in state.items()}, out)
    hook.remove()
    return json.dumps({"held": held, "fingerprint": fingerprint(values)})


def _rank(number: int, count: int, port: int, says: str, work: Callable[..., str], *arguments: object) -> None:
    os.environ |= {"RANK": str(number), "WORLD_SIZE": str(count), "LOCAL_RANK": str(number)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with open(f"{says}.{number}", "w", encoding="utf-8") as file:
        try:
            file.write(work(*arguments))
        except ConnectionError as error:
            file.write(str(error))
            sys.exit(2)


def together(count: int, says: str, work: Callable[..., str], *arguments: object) -> list[int | None]:
    """Run a function, such as `train`, in that many ranks; their exit codes. What each says goes to ``says.RANK``."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.rsae.material.ranks_training"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes: list[BaseProcess] = [
        context.Process(target=_rank, args=(number, count, port, says, work, *arguments)) for number in range(count)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        process.kill()
    return [process.exitcode for process in processes]


if __name__ == "__main__":
    train(*sys.argv[1:4])
