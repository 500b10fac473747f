"""One training step, ours and the peers', as ratios to a bare torch ReLU step in the same run.

    python -m tests.benchmarks.upgrade.training [--threads 2] [--rounds 12] [--only ratios,paper,saved]

All parts, without --only: ratios,paper,saved,memory,growth,harvest.

The bare step is ``relu(x W_enc + b_enc) W_dec + b_dec``, squared error plus L1, backward, fused Adam. Steps take turns
on the same batches, so that other work on the machine hits all alike; a ratio is the median over rounds of a step's
time over that of the bare step in the same round. Peers are used where they are installed (sae-lens,
dictionary_learning, eai-sparsify), each with fused Adam, and are skipped with a reason where they are not.
"""

import argparse
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn

from rational_approx.arithmetic.domain import Domain
from rational_approx.rationals.rational import Rational
from rsae.activations.paper import PaperActivation
from rsae.activations.ratio import IDENTITIES, IDENTITY, RationalActivation
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.latents import Latents
from rsae.sae.support import largest
from rsae.training import entries
from rsae.training.active import active_kept, sparse_topk
from rsae.training.passes import choose_pass
from rsae.training.recipe import Recipe
from rsae.training.step import Training
from tests.benchmarks.upgrade.peer_steps import peers

Step = Callable[[Tensor], Any]
PUBLISHED = IDENTITIES["trainable"]  # type (3, 2)


def decoder(d_in: int, d_sae: int) -> Tensor:
    """Unit directions [d_sae, d_in]."""
    return nn.functional.normalize(torch.randn(d_sae, d_in, generator=torch.Generator().manual_seed(0)), dim=1)


def batches(rows: Tensor, size: int, l0: int, count: int = 4) -> list[Tensor]:
    """Sparse sums of the directions, plus noise."""
    place = rows.device
    generator = torch.Generator(place).manual_seed(1)
    found = []
    for _ in range(count):
        columns = torch.randint(len(rows), (size, l0), generator=generator, device=place)
        strengths = torch.rand(size, l0, generator=generator, device=place) + 0.5
        noise = 0.05 * torch.randn(size, rows.shape[1], generator=generator, device=place)
        found.append(nn.functional.embedding_bag(columns, rows, per_sample_weights=strengths, mode="sum") + noise)
    return found


def of_type(p: int, q: int, domain: tuple[int, int] = (0, 1)) -> Rational:
    """A positive rational of a type, no coefficient of which is zero."""
    top = [Fraction(1), *[Fraction(1, 50 * (i + 1)) for i in range(p)]]
    bottom = [Fraction(1), *[Fraction(1, 60 * (i + 1)) for i in range(q)]]
    return Rational(tuple(top), tuple(bottom), Domain.of(domain))


def bare(rows: Tensor) -> Step:
    """The plain torch step."""
    encoder, bias = nn.Parameter(rows.T.contiguous()), nn.Parameter(torch.zeros(len(rows), device=rows.device))
    weights, centre = nn.Parameter(rows.clone()), nn.Parameter(torch.zeros(rows.shape[1], device=rows.device))
    optimiser = torch.optim.Adam([encoder, bias, weights, centre], lr=1e-5, fused=True)

    def step(x: Tensor) -> None:
        codes = torch.relu(x @ encoder + bias)
        loss = (codes @ weights + centre - x).square().sum(1).mean() + 1e-3 * codes.sum(1).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step


def ours(
    family: str,
    rows: Tensor,
    x: Tensor,
    l0: int,
    rational: Rational | None,
    inputs: tuple[str, ...],
    precision: str = "float32",
) -> Training:
    """A `Training` whose SAE keeps ``l0`` codes a token."""
    level = float((x @ rows.T).flatten().topk(len(x) * l0).values[-1])
    rest: dict[str, Any] = {"topk": {"k": l0}, "jumprelu": {"threshold": level}}.get(family, {})
    bias = rows.new_full((len(rows),), -level if family == "relu" and rational is None else 0.0)
    centre = rows.new_zeros(rows.shape[1])
    encoder = rows.T.contiguous()  # as SAEs are loaded
    sae = SparseAutoencoder(W_enc=encoder, b_enc=bias, W_dec=rows, b_dec=centre, family=family, **rest)  # type: ignore[arg-type]
    sae.activation = None if rational is None else RationalActivation(rational, inputs)
    sae = sae.to(rows.device)
    forward = choose_pass(sae, "l1" if rational is None else "threshold", 0.05, float(l0))
    return Training(sae, forward, Recipe(1e-5, 1e-5, warmup=1, precision=precision), steps=10**6)


def paper(rows: Tensor) -> Training:
    """The paper's dense codes with a (9, 8) rational: a compiled pass over all d_sae pre-activations."""
    zero = torch.zeros(len(rows))
    encoder = rows.T.contiguous()
    sae = SparseAutoencoder(W_enc=encoder, b_enc=zero, W_dec=rows, b_dec=zero[: rows.shape[1]], family="relu")
    sae.activation = PaperActivation(of_type(9, 8, (-1, 1)), input_scale=4.0)
    sae = sae.to(rows.device)
    return Training(sae, choose_pass(sae, "l1", 0.05, 32.0), Recipe(1e-5, 1e-5, warmup=1), steps=10**6)


def now() -> float:
    """Seconds: of this process's processor with one thread, which other work disturbs less; of the clock with more."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def measure(steps: dict[str, Step], x: list[Tensor], rounds: int) -> dict[str, list[float]]:
    """Seconds of each step in each round, in turn, after two rounds to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 2):
        for name, step in steps.items():
            began = now()
            step(x[turn % len(x)])
            if turn >= 2:
                seconds[name].append(now() - began)
    return seconds


def table(seconds: dict[str, list[float]], base: str = "bare") -> None:
    """Median ratio with its range over the middle half of the rounds, and the fastest time."""
    print("| step | ratio to the bare step | middle half of rounds | fastest, ms |")
    print("|---|---|---|---|")
    for name, found in seconds.items():
        ratios = sorted(a / b for a, b in zip(found, seconds[base], strict=True))
        low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
        print(f"| {name} | {statistics.median(ratios):.2f} | {low:.2f} to {high:.2f} | {1e3 * min(found):.1f} |")


def variants(rows: Tensor, x: Tensor, l0: int, only: str | None = None) -> dict[str, Step]:
    """Our steps at one L0, or ``only`` one of them."""
    kinds: list[tuple[str, str, Rational | None, tuple[str, ...]]] = [
        ("relu, own gate", "relu", None, ("ratio",)),
        ("relu, (3, 2)", "relu", PUBLISHED, ("ratio",)),
        ("relu, (9, 8)", "relu", of_type(9, 8), ("ratio",)),
        ("jumprelu, own gate", "jumprelu", None, ("ratio",)),
        ("jumprelu, (9, 8)", "jumprelu", of_type(9, 8), ("ratio",)),
        ("topk, own gate", "topk", None, ("ratio",)),
        ("topk, (3, 2)", "topk", PUBLISHED, ("ratio",)),
        ("topk, (3, 2) with norm", "topk", PUBLISHED, ("ratio", "norm")),
        ("topk, the default curve", "topk", IDENTITY, ("ratio", "norm")),
        ("topk, (9, 8)", "topk", of_type(9, 8), ("ratio",)),
    ]
    return {
        f"rsae {name}": ours(family, rows, x, l0, rational, inputs).step
        for name, family, rational, inputs in kinds
        if only in (None, f"rsae {name}")
    }


def saved(rows: Tensor, x: Tensor, l0: int) -> None:
    """What autograd keeps for the backward pass of one step, parameters and the batch apart, in MiB."""
    print(f"pre-activations [batch, d_sae]: {4 * len(x) * len(rows) / 2**20:.1f} MiB")
    for name, step in {"bare": bare(rows), **variants(rows, x, l0), "rsae paper, (9, 8)": paper(rows).step}.items():
        kept: dict[int, int] = {}

        def keep(tensor: Tensor, kept: dict[int, int] = kept) -> Tensor:
            if not tensor.is_sparse and tensor.untyped_storage().data_ptr() != x.untyped_storage().data_ptr():
                leaf = tensor if tensor._base is None else tensor._base
                if not leaf.requires_grad or leaf.grad_fn is not None:
                    kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            step(x)
        print(f"| {name} | {sum(kept.values()) / 2**20:.1f} MiB |")


def growth(d_in: int, rounds: int) -> None:
    """How cost grows with d_sae, batch, degree and L0: milliseconds, the fastest of the rounds."""

    def fastest(steps: dict[str, Step], x: list[Tensor]) -> dict[str, float]:
        return {name: 1e3 * min(found) for name, found in measure(steps, x, rounds).items()}

    print("d_sae: whole TopK step, bare step, TopK decoder (forward, and gradient of the codes), ms")
    for d_sae in (1024, 4096, 16384, 65536):
        rows = decoder(d_in, d_sae)
        x = batches(rows, 256, 32)
        h = x[0] @ rows.T
        active = active_kept(largest(h, 32, sparse_topk), Latents(d_sae, 0, d_sae), None, None)
        where = active.places

        def decoding(x: Tensor, where: Any = where, rows: Tensor = rows, codes: Tensor = active.codes) -> None:
            entries.dots(where, entries.decode(codes, where, rows) - x, rows)

        steps = {
            "topk": ours("topk", rows, x[0], 32, PUBLISHED, ("ratio",)).step,
            "bare": bare(rows),
            "dec": decoding,
        }
        found = fastest(steps, x)
        print(f"| {d_sae} | {found['topk']:.1f} | {found['bare']:.1f} | {found['dec']:.2f} |", flush=True)
    rows = decoder(d_in, 4096)
    print("batch: TopK (3, 2) step, bare step, ms")
    for size in (256, 1024, 4096):
        x = batches(rows, size, 32)
        found = fastest({"topk": ours("topk", rows, x[0], 32, PUBLISHED, ("ratio",)).step, "bare": bare(rows)}, x)
        print(f"| {size} | {found['topk']:.1f} | {found['bare']:.1f} |", flush=True)
    x = batches(rows, 1024, 32)
    print("type of the rational: JumpReLU step at L0 32, ms")
    kinds = {f"({p}, {q})": ours("jumprelu", rows, x[0], 32, of_type(p, q), ("ratio",)).step for p, q in _TYPES}
    for name, value in fastest(kinds, x).items():
        print(f"| {name} | {value:.1f} |")
    print("L0: JumpReLU (9, 8) step over the bare step")
    for l0 in (8, 32, 128, 512):
        steps = {"jump": ours("jumprelu", rows, x[0], l0, of_type(9, 8), ("ratio",)).step, "bare": bare(rows)}
        seconds = measure(steps, x, rounds)
        ratio = statistics.median(a / b for a, b in zip(seconds["jump"], seconds["bare"], strict=True))
        print(f"| {l0} | {ratio:.2f} |", flush=True)


_TYPES = ((3, 2), (5, 4), (9, 8), (17, 16))


def beside(script: str, *arguments: str) -> None:
    """Run another script of this folder in a process of its own."""
    subprocess.run([sys.executable, "-m", f"tests.benchmarks.upgrade.{script}", *arguments], check=True)


def main() -> None:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--only", default="ratios,paper,saved,memory,growth,harvest")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(options.threads)
    d_in, d_sae, size, l0 = 256, 4096, 1024, 32
    rows = decoder(d_in, d_sae)
    x = batches(rows, size, l0)
    wanted = options.only.split(",")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, d_in {d_in}, d_sae {d_sae}, batch {size}")
    if "ratios" in wanted:
        steps = {"bare": bare(rows), **variants(rows, x[0], l0), **peers(d_in, d_sae, l0)}
        table(measure(steps, x, options.rounds))
    if "paper" in wanted:
        table(measure({"bare": bare(rows), "rsae paper, (9, 8)": paper(rows).step}, x, options.rounds))
    if "saved" in wanted:
        saved(rows, x[0], l0)
    if "memory" in wanted:
        beside("memory", "--threads", str(options.threads))
    if "growth" in wanted:
        growth(d_in, max(3, options.rounds // 3))
    if "harvest" in wanted:
        beside("harvest", "--threads", str(options.threads))


if __name__ == "__main__":
    main()
