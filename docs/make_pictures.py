"""Draw the pictures of the README again: `python docs/make_pictures.py` (about two minutes on one core)."""

from pathlib import Path

import matplotlib
import torch
from matplotlib.figure import Figure

import rational_approx
import rsae
from rsae.demo import synthetic
from rsae.report.pictures import COLOURS

FOLDER = Path(__file__).parent
SPARSITIES = (2, 3, 4, 6, 8, 12)
MARKERS = {"teacher": "s", "control": "D", "upgraded": "o"}


def error_curve() -> None:
    """The best approximation of GELU of type (9, 8), and how its error levels."""
    best = rational_approx.fit("gelu", degree=(9, 8), domain=(-8, 8))
    best.plot(str(FOLDER / "error_curve.svg"))


def mse_against_l0() -> None:
    """Teacher, equally trained control and upgraded SAE on synthetic hidden states, at several sparsities."""
    states, others = synthetic.states(seed=0), synthetic.states(seed=1_000_000)
    curves: dict[str, list[tuple[float, float]]] = {name: [] for name in MARKERS}
    for k in SPARSITIES:
        done = rsae.upgrade(synthetic.teacher(others, k=k), states, steps=1500, device="cpu")
        for name, points in curves.items():
            column = done.report.columns[name]
            points.append((column["l0"].value, column["mse"].value))
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    axes = figure.subplots()
    for name, points in curves.items():
        axes.plot(*zip(*points, strict=True), MARKERS[name] + "-", color=COLOURS[name], label=name, markersize=5)
    axes.set(xlabel="L0 (codes that are not 0, a token)", ylabel="MSE on held-out vectors")
    axes.set_title("Synthetic hidden states: 96 known features in 32 dimensions, TopK")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    figure.savefig(FOLDER / "mse_l0.svg", metadata={"Date": None})


if __name__ == "__main__":
    torch.set_num_threads(1)
    matplotlib.rcParams["svg.hashsalt"] = "rational-sae"
    error_curve()
    mse_against_l0()
