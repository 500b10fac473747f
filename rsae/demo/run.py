"""The two demos, each from nothing to a report: on a real language model, and on synthetic hidden states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rsae.data.reading import Reading
from rsae.data.sources import hidden_states
from rsae.demo import synthetic
from rsae.demo.host import HOOK, faster_dtype, gguf_path
from rsae.demo.text import documents
from rsae.formats import load_sae
from rsae.threads import using
from rsae.upgrading.pipeline import Settings, Upgrade, upgrade

__all__ = ["SETTINGS", "TEACHER", "on_language_model", "on_synthetic"]

TEACHER = Path(__file__).parent / "teacher"

_TOKENS = 60_000
_LOSS_TOKENS = 3_072
_STEPS = 300

# One change a step: more training, the threshold, the curve, the refinement. The rate of the
# weights is the better of two that were tried on documents which the demo never reads. That of the curve and the
# refinement is high, since in so few steps a parameter moves by about rate times steps / 2 at most.
SETTINGS = Settings(
    refine="residual_twice",
    ablations=("unrefined",),
    learning_rate=3e-3,
    coefficient_rate=1e-2,
    batch_size=512,
)
_SYNTHETIC_STEPS = 1_500


def on_language_model(
    *,
    steps: int | None,
    seed: int,
    threads: int | None,
    say: Callable[[str], Any],
    harvest: Callable[[int, int], None],
    teacher: str | Path = TEACHER,
    **writing: Any,
) -> Upgrade:
    """Upgrade a teacher on layer 10 of SmolLM2, with text that the training of the package's own never saw.

    ``writing`` is passed on to `upgrade`: ``out``, ``overwrite``, ``progress``.
    """
    path, subject = gguf_path(), load_sae(teacher)
    with using(threads):
        say("Text: docstrings of the installed numpy, scipy, sympy and torch, the part that the teacher never saw")
        text = documents("demo")
        say(f"Host: SmolLM2-135M-Instruct (Q4_1), {HOOK}")
        states = hidden_states(
            path,
            text,
            HOOK,
            max_tokens=_TOKENS,
            dtype=faster_dtype(),
            seed=seed,
            progress=harvest,
            reading=Reading(loss_tokens=_LOSS_TOKENS, threads=threads),
        )
        say(
            f"Teacher: {subject.family} with {subject.d_sae} latents; {len(states.train)} vectors to train on, "
            f"{len(states.held_out)} held out"
        )
        settings = replace(SETTINGS, threads=threads)
        return upgrade(subject, states, steps=steps or _STEPS, seed=seed, device="cpu", settings=settings, **writing)


def on_synthetic(
    *, steps: int | None, seed: int, threads: int | None, say: Callable[[str], Any], **writing: Any
) -> tuple[Upgrade, str]:
    """Upgrade a teacher of a synthetic world, and say how well the true features are recovered before and after.

    ``writing`` is passed on to `upgrade`: ``out``, ``overwrite``, ``progress``.
    """
    say(f"Synthetic hidden states: {synthetic.D_SAE} known features in {synthetic.D_IN} dimensions")
    states = synthetic.states(seed=seed)
    settings = Settings(threads=threads or 1)  # the matrices are so small that threads only wait for one another
    with using(settings.threads):
        teacher = synthetic.teacher(synthetic.states(seed=1_000_000 + seed))
    length = steps or _SYNTHETIC_STEPS
    done = upgrade(teacher, states, steps=length, seed=seed, device="cpu", settings=settings, **writing)
    before, after = synthetic.recovered(teacher), synthetic.recovered(done.arms["upgraded"])
    control = synthetic.recovered(done.arms["control"])
    note = (
        "Mean cosine between each true feature and its nearest decoder row: "
        f"teacher {before:.4f}, upgraded {after:.4f}, control {control:.4f}."
    )
    return done, note
