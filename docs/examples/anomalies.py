"""Anomaly detection on a table: the handwritten digits of scikit-learn, one digit at a time being the anomaly.

    python docs/examples/anomalies.py

A sparse autoencoder learns the nine other digits, 64 numbers each. What it reconstructs badly is an anomaly; the score
is the area under the ROC curve on digits that it never saw. The rational upgrade is compared with the teacher and with
the control, the teacher trained on for as long.
"""

import argparse

import click
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from small_teacher import small_teacher

import rsae

COLUMNS = ("teacher", "control", "upgraded")


def table(anomaly: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the nine normal digits in random order, and of the digit that is the anomaly."""
    digits = load_digits()
    rows = digits.data.astype(np.float32)
    normal = rows[digits.target != anomaly]
    return normal[np.random.default_rng(seed).permutation(len(normal))], rows[digits.target == anomaly]


def detect(anomaly: int, *, steps: int = 150, seed: int = 0) -> dict[str, tuple[float, float]]:
    """(mean squared error on held-out normal rows, area under the ROC curve) of each column."""
    normal, strange = table(anomaly, seed)
    states = rsae.hidden_states(normal, held_out=0.3)
    teacher = small_teacher(states, d_sae=128, k=8, steps=4 * steps, seed=seed)
    done = rsae.upgrade(teacher, states, steps=steps, seed=seed, device="cpu", settings=rsae.Settings(batch_size=256))
    saes = {"teacher": teacher, "control": done.arms["control"], "upgraded": done.arms["upgraded"]}
    rows = torch.cat([states.held_out, torch.from_numpy(strange)])
    truth = np.repeat([0, 1], [len(states.held_out), len(strange)])
    found = {}
    for name, sae in saes.items():
        with torch.no_grad():
            error = (sae(rows).reconstruction - rows).square().sum(1)
        found[name] = (float(error[: len(states.held_out)].mean()), float(roc_auc_score(truth, error)))
    return found


def main() -> None:
    """Every digit once; means over the ten, and the paired difference to the control with its standard error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=150)
    steps = parser.parse_args().steps
    results = [detect(digit, steps=steps) for digit in range(10)]
    values = {name: np.array([result[name] for result in results]) for name in COLUMNS}
    click.echo("column     error on normal digits   area under the curve (mean over ten anomalies)")
    for name in COLUMNS:
        click.echo(f"{name:10} {values[name][:, 0].mean():<24.2f} {values[name][:, 1].mean():.4f}")
    for i, what in enumerate(("error, relative", "area under the curve")):
        difference = values["upgraded"][:, i] - values["control"][:, i]
        if i == 0:
            difference = difference / values["control"][:, 0]
        click.echo(f"upgraded - control, {what}: {difference.mean():+.4f} +- {difference.std(ddof=1) / 10**0.5:.4f}")


if __name__ == "__main__":
    main()
