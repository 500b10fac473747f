"""Anomaly detection on a table: the handwritten digits of scikit-learn, one digit at a time being the anomaly.

    python docs/examples/anomalies.py

A sparse autoencoder learns the nine other digits, 64 numbers each. What it reconstructs badly is an anomaly; the score
is the area under the ROC curve on digits that it never saw. The rational upgrade is compared with the teacher and with
the control, the teacher trained on for as long: once for a ReLU teacher, whose L1 makes all codes too small, and once
for a TopK teacher, which has no such fault.
"""

import argparse
from typing import Literal

import click
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from small_teacher import small_teacher

import rsae

COLUMNS = {"relu": ("teacher", "control", "threshold", "upgraded"), "topk": ("teacher", "control", "upgraded")}
STEPS = {"relu": (4000, 300), "topk": (600, 150)}  # of the teacher, and of each arm


def table(anomaly: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the nine normal digits in random order, and of the digit that is the anomaly."""
    digits = load_digits()
    rows = digits.data.astype(np.float32)
    normal = rows[digits.target != anomaly]
    return normal[np.random.default_rng(seed).permutation(len(normal))], rows[digits.target == anomaly]


def detect(
    anomaly: int, family: Literal["relu", "topk"], *, steps: tuple[int, int] | None = None, seed: int = 0
) -> dict[str, tuple[float, float, float]]:
    """(mean squared error, mean L0) on held-out normal rows and the area under the ROC curve, of each column."""
    long, short = steps or STEPS[family]
    normal, strange = table(anomaly, seed)
    states = rsae.hidden_states(normal, held_out=0.3)
    teacher = small_teacher(states, family, d_sae=128, codes=8, steps=long, seed=seed)
    settings = rsae.Settings(batch_size=256, threads=1)
    done = rsae.upgrade(teacher, states, steps=short, seed=seed, device="cpu", settings=settings)
    rows = torch.cat([states.held_out, torch.from_numpy(strange)])
    known = len(states.held_out)
    truth = np.repeat([0, 1], [known, len(strange)])
    found = {}
    for name in COLUMNS[family]:
        with torch.no_grad():
            out = (teacher if name == "teacher" else done.arms[name])(rows)
        error = (out.reconstruction - rows).square().sum(1)
        l0 = (out.codes[:known] != 0).sum(1).float().mean()
        found[name] = (float(error[:known].mean()), float(l0), float(roc_auc_score(truth, error)))
    return found


def compare(family: Literal["relu", "topk"], anomalies: list[int]) -> None:
    """Every anomaly once; means over them, and paired differences with their standard errors."""
    results = [detect(digit, family) for digit in anomalies]
    values = {name: np.array([result[name] for result in results]) for name in COLUMNS[family]}
    click.echo(f"{family:10} error on normal digits   L0      area under the curve (of {len(results)} anomalies)")
    for name, found in values.items():
        error, l0, area = found.mean(0)
        click.echo(f"{name:10} {error:<24.2f} {l0:<7.2f} {area:.4f}")
    for other in COLUMNS[family][1:-1]:
        error = values["upgraded"][:, 0] / values[other][:, 0] - 1
        area = values["upgraded"][:, 2] - values[other][:, 2]
        for what, difference in (("error, relative", error), ("area under the curve", area)):
            spread = difference.std(ddof=1) / len(difference) ** 0.5 if len(difference) > 1 else np.nan
            click.echo(f"upgraded - {other}, {what}: {difference.mean():+.4f} +- {spread:.4f}")


def main() -> None:
    """Both kinds of teacher."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anomalies", type=int, nargs="+", choices=range(10), default=list(range(10)))
    anomalies = parser.parse_args().anomalies
    compare("relu", anomalies)
    compare("topk", anomalies)


if __name__ == "__main__":
    main()
