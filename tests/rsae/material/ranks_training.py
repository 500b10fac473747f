"""Work that several processes share, as torchrun would start them, forked from one that has imported everything.

``python -m tests.rsae.material.ranks_training FAMILY OUT FOLDER`` is the same under a real torchrun.
"""

import contextlib
import copy
import json
import multiprocessing
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # this and the next are what DTensor imports: once, before processes are forked
import torch.distributed.checkpoint
from safetensors.torch import save_file
from torch.optim.optimizer import register_optimizer_step_post_hook

from rsae import ranks
from rsae.data.sources import hidden_states
from rsae.evaluation.errors import token_errors
from rsae.evaluation.metrics import evaluate
from rsae.formats import save_sae
from rsae.progress import Progress
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.division import AXES, divided, whole
from rsae.sae.latents import Latents
from rsae.storage.checkpoint import Checkpoint, fingerprint
from rsae.training.finetuning import finetune, started, stepping
from rsae.training.l0 import match_l0, mean_l0
from rsae.training.recipe import Recipe, recipe_for
from rsae.upgrading.calibration import calibrate
from rsae.upgrading.pipeline import upgrade
from rsae.upgrading.plan import Settings
from tests.rsae.material.sparse_data import features, sparse_states, teacher
from tests.rsae.material.tiny import WIDTH, tiny_model, tiny_text, tiny_tokenizer

STEPS = 30
BATCH = 252  # shared evenly between two and between three


class Stopped(Exception):
    """Ends a training at a step, in every rank."""


def train(family: str, out: str, folder: str, lost_at: int = 0, stop_at: int = 0, data_groups: int = 1) -> str:
    """Train a family, the result to ``out``, a checkpoint after every step; returns the result's fingerprint.

    With ``lost_at`` the last rank ends itself at that step; with ``stop_at`` all of them end there, without a result.
    """

    def progress(event: Progress) -> None:
        if event.step == lost_at and ranks.rank() == ranks.count() - 1 > 0:
            os._exit(9)
        if event.step == stop_at:
            raise Stopped

    torch.set_num_threads(1)
    with ranks.joined("cpu", data_groups), contextlib.suppress(Stopped):
        states = sparse_states()
        start = calibrate(teacher(family), states)
        work = Checkpoint(folder, every=1)
        recipe = recipe_for(start, batch_size=BATCH)
        trained = finetune(start, states, steps=STEPS, recipe=recipe, target_l0=4.0, checkpoint=work, progress=progress)
        gathered = whole(trained)
        if ranks.rank() == 0:
            save_file({name: value.detach().contiguous() for name, value in gathered.named_parameters()}, out)
        return fingerprint(gathered.parameters())
    return ""


def losing(place: str, out: str, folder: str) -> str:
    """Train, where the last rank ends itself in a ``"backward"`` pass, or when shares are ``"written"``."""

    def end(*_: Any, **__: Any) -> Any:
        os._exit(9)

    if int(os.environ["RANK"]) == int(os.environ["WORLD_SIZE"]) - 1:
        if place == "backward":
            ranks._Shared.backward = end  # type: ignore[method-assign, assignment]
        else:
            torch.distributed.checkpoint.save = end
    return train("topk", out, folder)


def case(name: str) -> tuple[SparseAutoencoder, Recipe]:
    """An SAE and its recipe, by a name such as "relu nested search": a family, and what else is to it."""
    family, *more = name.split()
    states = sparse_states()
    if family == "groupmax":
        rows = features()
        weights = {"W_enc": rows.T, "b_enc": torch.full((48,), -0.1), "W_dec": rows, "b_dec": torch.full((16,), 0.5)}
        sae = SparseAutoencoder(**weights, family="groupmax", k=12)
    else:
        sae = teacher(family)
    if "nested" in more:  # a latent less, so that no number of ranks above one divides them
        sae = _without_last(sae)
    if "control" not in more:
        sae = calibrate(sae, states, support="paper" if "paper" in more else "exact")
    if "nested" in more:
        sae.prefixes = (10, 30, 47)
    if "gain" in more:
        sae.refine = "gain"
    if "search" in more:
        sae.refine, sae.residual_step = "search_twice", torch.nn.Parameter(torch.tensor([0.02, 0.01]))
    return sae, recipe_for(sae, batch_size=BATCH, anchor=1.0 if "anchored" in more else None)


def _without_last(sae: SparseAutoencoder) -> SparseAutoencoder:
    for name, axis in AXES.items():
        if (value := getattr(sae, name)) is not None:
            setattr(sae, name, torch.nn.Parameter(value.detach().narrow(axis, 0, 47).clone()))
    sae.latents = Latents(47, 0, 47)
    return sae


def first_steps(out: str, names: Sequence[str], data_groups: int = 1) -> str:
    """Two steps of each `case`, its latents silent before the second; what each left, whole, to ``out``.

    Returns, by case, the bytes that this rank held of parameters, gradients and moments, how many parameters, and the
    bytes of its messages in the second step, by the axis of the grid and the collective.
    """
    torch.set_num_threads(1)
    held, found, states = {}, {}, sparse_states()
    bytes_now = 0

    def count(optimiser: torch.optim.Optimizer, *_: Any) -> None:
        nonlocal bytes_now
        vectors = [p for group in optimiser.param_groups for p in group["params"]]
        names = ("exp_avg", "exp_avg_sq")
        moments = [state[name] for state in optimiser.state.values() for name in names if name in state]
        bytes_now = sum(v.nbytes for v in [*vectors, *(p.grad for p in vectors if p.grad is not None), *moments])

    hook = register_optimizer_step_post_hook(count)
    with ranks.joined("cpu", data_groups):
        for name in names:
            sae, recipe = case(name)
            training, scale = started(divided(sae), recipe, states.calibration, 4.0, 1000)
            axes = {} if training.shares is None else training.shares.axes
            batches = stepping(training, scale, states, BATCH, 0, 2)
            for step in (1, 2):
                with _counted() as sent:
                    error, l0 = next(batches)
                if training.forward.revival.silent is not None:
                    training.forward.revival.silent += 20_000.0
                state = {key: value for key, value in training.state().items() if not key.startswith("parameter")}
                state |= {"error": ranks.data().mean(error), "l0": ranks.data().mean(l0.float())}
                for key, value in state.items():
                    whole = training.sae.latents.all(value, axes[key]) if key in axes else value
                    found[f"{name}/{step}/{key}"] = whole.detach().contiguous().clone()
            held[name] = [bytes_now, sum(p.numel() for p in training.parameters), sent]
        if ranks.rank() == 0:
            save_file(found, out)
    hook.remove()
    return json.dumps({"held": held, "fingerprint": fingerprint(found.values())})


@contextlib.contextmanager
def _counted() -> Iterator[dict[str, int]]:
    """Count the bytes of what goes through each collective."""
    found: dict[str, int] = {}
    axes = {id(grid.get_group(axis)): axis for grid in ranks._grids.values() for axis in ("data", "latents")}

    def counting(collective: Callable[..., Any], name: str, place: int) -> Callable[..., Any]:
        def call(*tensors: torch.Tensor, group: Any = None) -> Any:
            axis = axes.get(id(group), "all")
            found[f"{axis} {name}"] = found.get(f"{axis} {name}", 0) + tensors[place].nbytes
            return collective(*tensors, group=group)

        return call

    dist = torch.distributed
    kept = dist.all_reduce, dist.all_to_all_single
    dist.all_reduce, dist.all_to_all_single = counting(kept[0], "sum", 0), counting(kept[1], "exchange", 1)
    try:
        yield found
    finally:
        dist.all_reduce, dist.all_to_all_single = kept


def measured(out: str, names: Sequence[str], data_groups: int = 1) -> str:
    """What each `case` measures as, its L0 before and after it was matched to 3.5; its files beside ``out``."""
    torch.set_num_threads(1)
    states, found = sparse_states(2000), {}
    with ranks.joined("cpu", data_groups):
        for name in names:
            share = divided(case(name)[0])
            metrics = {metric: entry.value for metric, entry in evaluate(share, states).items()}
            matched = match_l0(copy.deepcopy(share), states.calibration, 3.5)
            save_sae(matched, Path(out).with_suffix(f".{name}"))
            found[name] = {
                **metrics,
                "l0": mean_l0(share, states.calibration),
                "matched": mean_l0(matched, states.calibration),
                "weights": fingerprint(whole(share).parameters()),
            }
    return json.dumps(found)


def staged() -> str:
    """The held-out squared error, and the weights, after a training that ends with a KL stage."""
    torch.set_num_threads(1)
    model = tiny_model("llama")
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(20)
    with ranks.joined("cpu"):
        states = hidden_states(
            (model, tiny_tokenizer()), tiny_text(80), "model.layers.1", context_length=32, progress=False
        )
        rows = torch.nn.functional.normalize(
            torch.randn(3 * WIDTH, WIDTH, generator=torch.Generator().manual_seed(3)), dim=1
        )
        zeros, mean = torch.zeros(3 * WIDTH), states.train.mean(0)
        sae = SparseAutoencoder(W_enc=rows.T, b_enc=zeros, W_dec=rows, b_dec=mean, family="topk", k=8)
        recipe = recipe_for(sae, batch_size=64, kl_share=0.5, kl_contexts=3)
        done = finetune(sae, states, steps=10, recipe=recipe, progress=False)
        error = float(token_errors(done, states.held_out).mean())
        return json.dumps({"error": error, "weights": fingerprint(whole(done).parameters())})


def upgraded(out: str, data_groups: int = 1) -> str:
    """A short upgrade with everything that its report shows; returns the report without its times and names."""
    torch.set_num_threads(1)
    with ranks.joined("cpu", data_groups):
        settings = Settings(refine="residual", ablations=("scale",), checkpoint_every=20, batch_size=BATCH)
        done = upgrade(teacher("relu"), sparse_states(), steps=60, out=out, progress=False, settings=settings)
    tree = done.report.to_json()
    return json.dumps({name: tree[name] for name in tree if name != "question"}, sort_keys=True)


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
    """Run a function of this file in that many ranks; their exit codes. What each says goes to ``says.RANK``."""
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
        process.join(600)
        process.kill()
    return [process.exitcode for process in processes]


if __name__ == "__main__":
    train(*sys.argv[1:4])
