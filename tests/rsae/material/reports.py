"""A small report with one of each part."""

import math
from typing import Any

from rsae.evaluation.comparison import Comparison
from rsae.evaluation.metrics import Metric
from rsae.report.report import Report

NAMES = ("teacher", "initialised", "upgraded", "control")


def report() -> Report:
    columns = {
        name: {
            "l0": Metric(16.0, "number of codes that are not exactly 0"),
            "mse": Metric(2.0 - 0.1 * i, "squared error |x - x_hat|^2 <summed> over d_in"),
            "loss_recovered": Metric(math.nan, "(ce_zero - ce_spliced) / (ce_zero - ce_clean)"),
        }
        for i, name in enumerate(NAMES)
    }
    gap = Comparison("mse", "control", -0.1, 1.7, -0.15, -0.05, "tokens")
    question = {"family": "topk", "d_in": 8, "d_sae": 16, "steps": 10, "seed": 3, "comparisons": [gap.to_json()]}
    question |= {
        "returned": "upgraded",
        "recipes": {"control": {"steps": 10, "learning_rate": 2.5e-4, "coefficient_rate": 1e-3, "batch_size": 64}},
        "tuning": {"factor": 0.25, "errors": {"1": 2.1, "0.25": 1.75, "0.0625": 1.8}, "teacher": 2.0},
    }
    history = [{"step": 5, "loss": 2.0, "l0": 16.0}, {"step": 10, "loss": 1.9, "l0": 16.0}]
    curves = {
        "upgraded": history,
        "control": history,
        "activation": {"ratio": [0.0, 1.0], "before": [1.0, 1.0], "after": [0.9, 0.5]},
    }
    return Report(columns, question, "It is <5.9%> lower at L0 16.00.", curves, **evidence())


def evidence() -> dict[str, dict[str, Any]]:
    """One of each part of a report: four latents of which one turned and one is silent, and two rows of probing."""
    shares = {"edges": [0.0, 0.5, 1.0], "before": [0.4, 0.6], "after": [0.5, 0.5]}
    cell = {"value": 0.75, "low": 0.7, "high": 0.8}
    row = {"group": "pairs", "tasks": 1, "answers": 100, "accuracy": dict.fromkeys(NAMES, cell)}
    row["difference"] = {"control": {"value": 0.02, "low": 0.01, "high": 0.03}}
    points = [{"l0": 8.0, "mse": 3.0, "delta_ce": 0.2}, {"l0": 16.0, "mse": 2.0, "delta_ce": 0.1}]
    gap = {"family": "topk", "against": "control", "metric": "mse", "label": "MSE", "percent": -3.2}
    return {
        "certificates": {
            "trained_activation": {"sentence": "No pole on [0, 1].", "status": "proved", "hash": "sha256:ab12"}
        },
        "histograms": {"tokens": 100, "ratio": shares, "pre_activation": shares},
        "probing": {
            "rows": [{**row, "k": 1}, {**row, "k": 5}],
            "tasks": [{"name": "a / b", "k": 1, "test": 100, "accuracy": dict.fromkeys(NAMES, 0.75)}],
            "texts": 400,
            "left_out": 0,
        },
        "continuity": {
            "tokens": 100,
            "top": 20,
            "thresholds": {"cosine": 0.7, "overlap": 0.3},
            "changed": [2],
            "order": [2, 0, 1, 3],
            "latents": {
                "cosine": [0.99, 0.98, 0.1, 1.0],
                "overlap": [1.0, 0.9, 0.05, None],
                "rate_before": [0.01, 0.02, 0.0001, 0.0],
                "rate_after": [0.01, 0.02, 0.2, 0.0],
            },
            "contexts": {
                "2": [[[["Once <upon>", 0], [" such", 2]], [[" a", 5]], [[" time\n", 0]], 1, None]],
                "0": [["The", " cat", " sat", 1, 1]],  # as in older reports
            },
        },
        "latents": {
            "maximum": [4.0, 3.0, 2.5, 0.0],
            "cofiring": [1.0, 0.9, 0.0, None],
            "counts": {"0": [4, *[0] * 10, 1], "1": [0] * 11 + [2], "2": [1] * 12, "3": [0] * 12},
            "promoted": {"2": [[" <time>", 3.25], [" ago", 1.5]]},
            "definition": "the decoder row through the head",
        },
        "frontier": {
            "series": [{"family": "topk", "column": name, "points": points} for name in ("upgraded", "control")],
            "gaps": [{**gap, "low_l0": 8.0, "high_l0": 16.0}],
        },
    }
