"""How long an upgrade takes, at the sizes of GPT-2 small and of Gemma-2-2B, its control included.

Hidden states are sparse sums of random directions; the teacher has these directions, blurred, so that there is
something to learn. Dense products are in bfloat16, the learning rate is given. Two short upgrades say what a step costs
and what everything else does; the size with a bar is then run whole, where the time is there for it.
"""

import time
from dataclasses import replace
from typing import NamedTuple

import torch

from rsae.data.sources import hidden_states
from rsae.data.states import HiddenStates
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.upgrading.pipeline import Settings, Upgrade, upgrade
from tests.benchmarks.gpu.part import Row, Run
from tests.benchmarks.gpu.timing import wait
from tests.benchmarks.upgrade.training import batches, decoder

__all__ = ["SETTINGS", "Size", "measure", "world"]


class Size(NamedTuple):
    """An upgrade: widths, codes a token, batch, steps of the short two and of the whole."""

    d_in: int
    d_sae: int
    l0: int
    batch: int
    short: tuple[int, int]
    whole: int
    bar: float | None = None  # minutes


_SIZES = (
    Size(768, 24_576, 32, 4096, (300, 1200), 22_000, bar=5.0),
    Size(2304, 16_384, 32, 4096, (200, 600), 22_000),
    Size(2304, 65_536, 32, 4096, (50, 200), 22_000),
)
SETTINGS = Settings(precision="bfloat16", rate_factor=1.0)
_DRY = (Size(32, 64, 2, 64, (2, 4), 6, bar=5.0), Size(32, 48, 2, 64, (1, 2), 6))


def measure(run: Run) -> None:
    """Of each size two short upgrades and what they say of the whole; then the whole of the first, if it fits."""
    whole: list[tuple[Size, float]] = []
    for size in _DRY if run.dry else _SIZES:
        teacher, states = world(size, run.device, 2 if run.dry else 48)
        _timed(size, teacher, states, run, 1)  # what is compiled and allocated once
        seconds = []
        for steps in size.short:
            taken, done = _timed(size, teacher, states, run, steps)
            seconds.append(taken)
            run.tell(_row(size, steps, taken, "measured", done))
        each = (seconds[1] - seconds[0]) / (size.short[1] - size.short[0])
        expected = seconds[0] + each * (size.whole - size.short[0])
        row = _row(size, size.whole, expected, f"extrapolated from {size.short[0]} and {size.short[1]} steps")
        run.tell(row | {"ms a step and arm": 1e3 * each / 2})
        if size.bar is not None:
            whole.append((size, expected))
        del teacher, states
    for size, expected in whole:
        if 1.1 * expected > run.left:
            how = f"not run whole: {run.left:.0f} s were left"
            run.tell(_row(size, size.whole, expected, how))
            continue
        taken, done = _timed(size, *world(size, run.device, 2 if run.dry else 48), run, size.whole)
        run.tell(_row(size, size.whole, taken, f"measured; the bar is {size.bar:g} minutes", done))


def world(size: Size, device: str, batches_of_4096: int) -> tuple[SparseAutoencoder, HiddenStates]:
    """A teacher, and so many hidden states, made on a device."""
    rows = decoder(size.d_in, size.d_sae).to(device)
    vectors = torch.cat(batches(rows, 4096, size.l0, count=batches_of_4096))
    states = hidden_states(vectors, held_out=0.1)
    noise = torch.randn(rows.shape, generator=torch.Generator().manual_seed(2)).to(rows)
    blurred = torch.nn.functional.normalize(rows + 0.3 * noise / size.d_in**0.5, dim=1).cpu()
    zeros = torch.zeros(size.d_sae)
    about = {"family": "topk", "k": size.l0, "b_enc": zeros, "b_dec": zeros[: size.d_in]}
    return SparseAutoencoder(W_enc=blurred.T, W_dec=blurred, **about), states  # type: ignore[arg-type]


def _timed(size: Size, teacher: SparseAutoencoder, states: HiddenStates, run: Run, steps: int) -> tuple[float, Upgrade]:
    settings = replace(SETTINGS, batch_size=size.batch)
    began = time.perf_counter()
    done = upgrade(teacher, states, steps=steps, device=run.device, settings=settings, progress=False)
    wait(run.device)
    return time.perf_counter() - began, done


def _row(size: Size, steps: int, seconds: float, how: str, done: Upgrade | None = None) -> Row:
    row: Row = {
        "d_in": size.d_in,
        "d_sae": size.d_sae,
        "steps of each arm": steps,
        "minutes": seconds / 60,
        "how": how,
        "ms a step and arm": None,
    }
    columns = ("teacher", "control", "upgraded") if done is not None else ()
    return row | {f"MSE, {name}": done.report.columns[name]["mse"].value for name in columns if done is not None}
