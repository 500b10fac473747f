"""Draw the pictures of the README and of the explanations again: `python docs/make_pictures.py` (about a minute)."""

import re
from pathlib import Path

import matplotlib
import torch
from matplotlib.figure import Figure

import rational_approx
import rsae
from rsae.demo import synthetic
from rsae.report.pictures import COLOURS

DOCS = Path(__file__).parent
STEPS = {"control": "more training", "threshold alone": "a threshold", "upgraded": "the curve"}
SHADES = {"control": COLOURS["control"], "threshold alone": COLOURS["threshold"], "upgraded": COLOURS["upgraded"]}


def save(figure: Figure, name: str) -> None:
    """Write a figure into docs/, without a date, so that it is the same bytes each time."""
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(DOCS / name, metadata={"Date": None})


def error_curve() -> None:
    """The best approximation of GELU of type (9, 8), and how its error levels."""
    best = rational_approx.fit("gelu", degree=(9, 8), domain=(-8, 8))
    best.plot(str(DOCS / "error_curve.svg"))


def measured() -> dict[str, dict[str, float]]:
    """MSE of each column of the nine teachers of stories260K, as docs/measured/results.md has them."""
    page = (DOCS / "measured" / "results.md").read_text(encoding="utf-8")
    part = page.split("### stories260K_layer2\n")[1].split("\n### ")[0]
    found: dict[str, dict[str, float]] = {}
    teacher = ""
    for name, column, mse in re.findall(r"^\| *(\S*) *\| \**([^|*]+?)\** \| [\d.]+ \| ([\d.]+) \|", part, re.MULTILINE):
        teacher = name or teacher
        found.setdefault(teacher, {})[column] = float(mse)
    return found


def gain() -> None:
    """Where the gain over the teacher comes from: more training, a threshold, the curve, in percent of its MSE."""
    teachers = measured()
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    axes = figure.subplots()
    for row, columns in enumerate(teachers.values()):
        before = columns["teacher"]
        for name in (name for name in STEPS if name in columns):
            start, end = (100 * (1 - mse / columns["teacher"]) for mse in (before, columns[name]))
            lower = end < start  # a step back is drawn over the end of the bar before it
            axes.barh(row, end - start, left=start, height=0.6, color=SHADES[name], hatch="////" if lower else "")
            before = columns[name]
    for name, label in STEPS.items():
        axes.barh(0, 0, color=SHADES[name], label=label)
    axes.set_yticks(range(len(teachers)), list(teachers))
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set(xlabel="how far the MSE is below the teacher's, at its L0, in percent of it")
    axes.set_title("Where the gain comes from: nine teachers of stories260K, three seeds")
    axes.grid(axis="x", alpha=0.25)
    axes.legend(frameon=False, loc="upper right")
    save(figure, "gain.svg")


def shrunken_codes() -> None:
    """What L1 leaves of a feature's strength, and what a threshold makes of it, with the same codes at 0."""
    strength = torch.linspace(0, 3, 301)[:, None]
    one, zero = torch.ones(1, 1), torch.zeros(1)
    shrunk = rsae.SparseAutoencoder(W_enc=one, b_enc=zero - 0.8, W_dec=one, b_dec=zero, family="relu")
    kept = rsae.SparseAutoencoder(W_enc=one, b_enc=zero, W_dec=one, b_dec=zero, family="jumprelu", threshold=zero + 0.8)
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(strength[:, 0], strength[:, 0], ":", color="#999999", label="the feature's strength")
    for sae, name, label in ((shrunk, "teacher", "ReLU after L1"), (kept, "threshold", "with a threshold of 0.8")):
        axes.plot(strength[:, 0], sae.encode(strength).detach()[:, 0], color=COLOURS[name], label=label)
    axes.set(xlabel="strength of the feature in the hidden state", ylabel="code")
    axes.legend(frameon=False)
    save(figure, "upgrading/gate_threshold.svg")


def learned_curve() -> None:
    """The gate that an upgrade starts from and the one that it learned, as a code of h and as a factor of tau / h."""
    states, others = synthetic.states(seed=0), synthetic.states(seed=1_000_000)
    done = rsae.upgrade(synthetic.teacher(others), states, steps=1500, device="cpu", progress=False)
    sae = done.arms["upgraded"]
    shares = norm_shares(sae, states.held_out)
    levels = torch.quantile(shares, torch.tensor([0.05, 0.5, 0.95])).tolist()
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    h, tau = torch.linspace(1.0, 4.0, 200), torch.tensor(1.0)
    gates = [("the teacher's own: z = h", "#555555", "--", h)]
    for level, style in zip(levels, (":", "-", "-."), strict=True):
        with torch.no_grad():
            codes = sae.activation.values(h, tau, torch.tensor(level))
        gates.append((f"learned, q = {level:.2f}", COLOURS["upgraded"], style, codes))
    for label, colour, style, codes in gates:
        left.plot(torch.cat([torch.tensor([0.0, 1.0]), h]), torch.cat([torch.zeros(2), codes]), style, color=colour)
        right.plot(tau / h, codes / h, style, color=colour, label=label)
    left.set(xlabel="pre-activation h, for a threshold tau = 1", ylabel="code z")
    right.set(xlabel="u = tau / h", ylabel="factor z / h")
    right.legend(frameon=False, fontsize="small")
    save(figure, "upgrading/gate_curve.svg")


def norm_shares(sae: rsae.SparseAutoencoder, x: torch.Tensor) -> torch.Tensor:
    """q of each hidden state."""
    with torch.no_grad():
        norm = (x - sae.b_dec).norm(dim=-1)
        kept = sae.pre_activations(x).topk(sae.k or 1).values.clamp_min(0).norm(dim=-1)
    return norm / (norm + kept)


if __name__ == "__main__":
    torch.set_num_threads(1)
    matplotlib.rcParams["svg.hashsalt"] = "rational-sae"
    error_curve()
    gain()
    shrunken_codes()
    learned_curve()
