"""What a KL stage gains on the stories260K teachers: every arm with it and without it, at equal steps and equal L0.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.upgrade.kl_stage --data ../shared/data --out RUNS \\
        [--only topk_16,jumprelu_0.06,relu_0.5] [--seeds 0] [--write docs/measured/kl-stage.md]

A finished teacher is not run again. ``--tune RATE,WEIGHT;...`` trains controls alone, with these kl_rate and kl_weight
(``RATE,WEIGHT,N``: on N contexts a step), and measures them on the contexts of the judges, which no table reads
(``--contexts``: on so many of them); 0,0 is no stage. ``--study`` takes the hidden states of a study of
`tests.study.cells`, ``--steps`` and ``--share`` what is not the default. ``--cost`` says what a step of either kind
costs, and what memory a divergence takes with a vocabulary of 49,152 and of 131,072.
"""

import argparse
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig

from rsae.data.reading import Reading
from rsae.data.sources import hidden_states
from rsae.data.states import HiddenStates
from rsae.evaluation.comparison import Comparison, compare_runs
from rsae.evaluation.metrics import Metrics, evaluate
from rsae.formats import load_sae
from rsae.hosts.host import Host
from rsae.hosts.splicing import Splicing
from rsae.report.report import Report
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.training.finetuning import finetune, started, stepping
from rsae.training.l0 import mean_l0
from rsae.training.recipe import recipe_for
from rsae.upgrading.pipeline import Settings, upgrade
from rsae.upgrading.plan import set_apart
from tests import provenance
from tests.study.cells import STUDIES

TEACHERS = ("topk_16", "jumprelu_0.06", "relu_0.5")
MARK = "<!-- begin: tests.benchmarks.upgrade.kl_stage -->"


def states_of(data: Path, loss_tokens: int | None) -> HiddenStates:
    """Layer 2 of stories260K; the 72 last stories, which the teachers did not see, are held out."""
    return hidden_states(
        str(data / "hosts/stories260K"),
        str(data / "text/tinystories_1000.json"),
        "model.layers.2",
        held_out=72,
        reading=Reading(loss_tokens=loss_tokens),
    )


def unseen_of(whole: HiddenStates, contexts: int | None) -> tuple[HiddenStates, Tensor, Host]:
    """What an upgrade reads, the vectors of its judges, and the host on so many contexts, which no table reads."""
    states, judges = set_apart(whole)
    assert whole.host is not None
    assert states.host is not None
    unseen = whole.host.contexts[len(states.host.contexts) + 1 :][:contexts]
    host = Host(whole.host.model, whole.host.tokenizer, whole.host.hook, unseen, outlier_norm=whole.host.outlier_norm)
    return states, judges, host


def tune(
    whole: HiddenStates,
    teacher: SparseAutoencoder,
    settings: list[tuple[float, ...]],
    seed: int,
    share: float,
    steps: int | None,
    contexts: int | None,
) -> None:
    """Controls at several rates and weights of the stage; (0, 0) is the control without it."""
    states, judges, host = unseen_of(whole, contexts)
    print(f"{len(host.contexts)} contexts, {len(judges)} vectors, which no table reads")
    for rate, weight, *each in settings:
        recipe = recipe_for(teacher)
        if rate:
            recipe = replace(recipe, kl_share=share, kl_rate=rate, kl_weight=weight)
        if each:
            recipe = replace(recipe, kl_contexts=int(each[0]))
        began = time.monotonic()
        done = finetune(teacher, states, steps=steps, seed=seed, recipe=recipe)
        seconds = time.monotonic() - began
        found = evaluate(done, judges, host)
        values = ", ".join(f"{key} {found[key].value:.4f}" for key in ("mse", "l0", "delta_ce", "kl"))
        print(
            f"rate {rate:g}, weight {weight:g}, contexts {recipe.kl_contexts}: {values} ({seconds:.0f} s)", flush=True
        )


def cost(data: Path, name: str, steps: int = 12) -> None:
    """Processor time of a step of each stage, and the rise of peak memory by one divergence of 4 x 256 tokens."""
    states, teacher = states_of(data, 2_048), load_sae(data / "teachers/stories260K_layer2" / name)
    for share, words in ((0.0, "on 256 vectors, squared error"), (1.0, "on 4 contexts of 256 tokens, with KL")):
        recipe = replace(recipe_for(teacher), kl_share=share)
        training, scale = started(teacher, recipe, states.calibration, mean_l0(teacher, states.calibration), 1000)
        taken = stepping(training, scale, states, recipe.batch_size, 0, 1000)
        spent = []
        for _ in range(steps):
            began = time.process_time()
            next(taken)
            spent.append(time.process_time() - began)
        print(f"a step {words}: {1000 * statistics.median(spent[2:]):.1f} ms of processor time")
    for vocabulary in (49_152, 131_072):
        code = f"from {__spec__.name} import memory; memory({vocabulary})"
        subprocess.run([sys.executable, "-c", code], check=True)


def memory(vocabulary: int) -> None:
    """The rise of this process's peak memory by one divergence, on a small random host."""
    shape: dict[str, int] = {"num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 128}
    model = AutoModelForCausalLM.from_config(LlamaConfig(vocab_size=vocabulary, num_attention_heads=4, **shape)).eval()
    contexts = torch.randint(vocabulary, (4, 256)).tolist()
    splicing = Splicing(Host(model, None, "model.layers.0"), contexts)
    before = peak()
    passage = splicing.passage(contexts)
    passage.divergence(0.9 * passage.vectors)
    rise = (peak() - before) / 2**20
    print(f"a divergence with {vocabulary} tokens in the vocabulary: {rise:.0f} MiB more at the peak")


def peak() -> int:
    """The largest memory of this process so far, in bytes: of its own, where ``getrusage`` begins with its parent's."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def run(data: Path, out: Path, name: str, seed: int) -> Report:
    """Every arm of one teacher, or what an earlier call left."""
    folder = out / name / f"seed_{seed}"
    if not (folder / "report.json").exists():
        plain = ["upgraded_mse", *(["threshold_mse"] if name.startswith("relu") else [])]
        teacher = data / "teachers/stories260K_layer2" / name
        # Measured in contexts of 256 tokens: these teachers were trained on 512.
        settings = Settings(objective="mse+kl", ablations=plain, accept_mismatch=True)
        upgrade(teacher, states_of(data, 32_768), seed=seed, out=folder, settings=settings)
    return Report.load(folder / "report.json")


def table(reports: dict[str, Report]) -> str:
    """Each arm after the stage beside the same arm on the squared error alone."""
    lines = [
        "| teacher, arm | L0: without, with | MSE: without | with | delta-CE: without | with | KL: without | with |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, report in reports.items():
        for arm in ("control", "threshold", "upgraded"):
            plain, ours = report.columns.get(f"{arm}_mse"), report.columns.get(arm)
            if plain is None or ours is None:
                continue
            cells = [f"{plain['l0'].value:.2f}, {ours['l0'].value:.2f}"]
            gap = ours["mse"].value / plain["mse"].value - 1
            cells += [f"{plain['mse'].value:.4f}", f"{ours['mse'].value:.4f} ({gap:+.1%})"]
            for metric in ("delta_ce", "kl"):
                found = paired(metric, ours, plain)
                low, high = found.low / found.base, found.high / found.base
                cells += [f"{plain[metric].value:.4f}"]
                cells += [f"{ours[metric].value:.4f} ({found.relative:+.1%} [{low:+.1%}, {high:+.1%}])"]
            lines.append(f"| {name}, {arm} | {' | '.join(cells)} |")
    return "\n".join(lines)


def paired(metric: str, ours: Metrics, theirs: Metrics) -> Comparison:
    """The difference of two columns by held-out context."""
    left, right = ours[metric].by_context, theirs[metric].by_context
    assert left is not None
    assert right is not None
    return compare_runs(metric, "", left, right, "contexts")


def main() -> None:
    """The command."""
    asking = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asking.add_argument("--data", type=Path, required=True)
    asking.add_argument("--out", type=Path, default=Path("kl-runs"))
    asking.add_argument("--only", default=",".join(TEACHERS))
    asking.add_argument("--seeds", default="0", help="orders of the data, each a row of its own")
    asking.add_argument("--tune", help="RATE,WEIGHT[,CONTEXTS A STEP];...")
    asking.add_argument("--study", help="tune on its hidden states and teachers, e.g. smollm2_layer10")
    asking.add_argument("--steps", type=int, help="of a tuned control, with its stage")
    asking.add_argument("--share", type=float, default=0.2, help="of them that are the stage")
    asking.add_argument("--contexts", type=int, help="that a tuned control is measured on; default: all")
    asking.add_argument("--cost", action="store_true")
    asking.add_argument("--write", type=Path, help="page whose table is replaced")
    asked = asking.parse_args()
    names, seeds = asked.only.split(","), [int(seed) for seed in asked.seeds.split(",")]
    if asked.cost:
        cost(asked.data, names[0])
        return
    if asked.tune:
        pairs = [tuple(map(float, each.split(","))) for each in asked.tune.split(";")]
        study = next((study for study in STUDIES if study.name == asked.study), None)
        whole = (
            states_of(asked.data, None)
            if study is None
            else replace(study, loss_tokens=None).states(asked.data, asked.out)
        )
        for name in names:
            teacher = load_sae(asked.data / "teachers" / (study.source if study else "stories260K_layer2") / name)
            print(name)
            tune(whole, teacher, pairs, seeds[0], asked.share, asked.steps, asked.contexts)
        return
    found = table({f"{name}, seed {seed}": run(asked.data, asked.out, name, seed) for seed in seeds for name in names})
    print(found)
    if asked.write:
        head, _ = asked.write.read_text(encoding="utf-8").split(MARK)
        provenance.write(asked.write, f"{head}{MARK}\n\n{found}\n", "tests.benchmarks.upgrade.kl_stage")


if __name__ == "__main__":
    main()
