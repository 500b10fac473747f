"""A training that several processes share, as torchrun would start them, forked from one that has imported everything.

``python -m tests.rsae.ranks_training FAMILY OUT FOLDER`` is the same under a real torchrun.
"""

import contextlib
import multiprocessing
import os
import socket
import sys
from multiprocessing.process import BaseProcess

import torch
from safetensors.torch import save_file

from rsae import ranks
from rsae.calibrate import calibrate
from rsae.checkpoint import Checkpoint
from rsae.finetune import Progress, finetune
from tests.rsae.sparse_data import sparse_states, teacher

STEPS = 30


class Stopped(Exception):
    """Ends a training at a step, in every rank."""


def train(family: str, out: str, folder: str, lost_at: int = 0, stop_at: int = 0) -> None:
    """Train a family, the result to ``out``, a checkpoint after every step.

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
        trained = finetune(start, states, steps=STEPS, target_l0=4.0, checkpoint=work, progress=progress)
        if ranks.rank() == 0:
            save_file({name: value.detach().contiguous() for name, value in trained.named_parameters()}, out)


def _rank(number: int, count: int, port: int, errors: str, *arguments: object) -> None:
    os.environ |= {"RANK": str(number), "WORLD_SIZE": str(count), "LOCAL_RANK": str(number)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with open(f"{errors}.{number}", "w", encoding="utf-8") as file:
        try:
            train(*arguments)  # type: ignore[arg-type]
        except ConnectionError as error:
            file.write(str(error))
            sys.exit(2)


def together(count: int, errors: str, *arguments: object) -> list[int | None]:
    """Run `train` in that many ranks; their exit codes. What a rank says at its end goes to ``errors.RANK``."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.rsae.ranks_training"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes: list[BaseProcess] = [
        context.Process(target=_rank, args=(number, count, port, errors, *arguments)) for number in range(count)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        process.kill()
    return [process.exitcode for process in processes]


if __name__ == "__main__":
    train(*sys.argv[1:4])
