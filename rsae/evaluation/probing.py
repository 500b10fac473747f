"""Sparse probing: can a class of texts be told by one, two or five latents?

The protocol is SAEBench's (Karvonen et al., arXiv 2503.09532): codes are averaged over the tokens of a text; the k
latents whose means differ most between the two classes on training texts are kept; a logistic regression (L2, C = 1) on
them is scored on test texts. Classes are balanced, so that chance is 1/2.

Why not SAEBench's code: it has its own data sets alone, no intervals, and needs numpy below 2. The regression is
scikit-learn's; its SelectKBest would give ties between latents to the last one.
"""

import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rsae.data.text import pack
from rsae.hosts.host import Host
from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["Task", "read_labelled", "sparse_probing", "tasks_of"]

KS = (1, 2, 5)
HIDDEN = "hidden states"
_Z = 1.96


@dataclass(frozen=True)
class Task:
    """Texts of two classes, for training and for the test, and whether each is of the first one."""

    name: str
    group: str
    train: tuple[str, ...]
    train_labels: tuple[bool, ...]
    test: tuple[str, ...]
    test_labels: tuple[bool, ...]


def read_labelled(path: str | Path) -> tuple[list[str], list[str]]:
    """Texts and labels of a CSV file whose columns are ``text`` and ``category`` (or ``label``).

    Raises FileNotFoundError, or ValueError for a file without them, with an empty text, or of a single class.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no labelled texts at {path}; give a CSV file with the columns text and category")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is not a CSV file in UTF-8: {error}") from None
    names = set(rows[0]) if rows else set()
    label = next((name for name in ("category", "label") if name in names), None)
    if "text" not in names or label is None:
        found = ", ".join(sorted(map(str, names))) or "none"
        raise ValueError(f"{path} needs the columns text and category (or label); it has {found}")
    texts, labels = [row["text"] or "" for row in rows], [row[label] or "" for row in rows]
    if any(not text.strip() or not name.strip() for text, name in zip(texts, labels, strict=True)):
        raise ValueError(f"{path} has a row without a text or a label; remove it")
    if len(set(labels)) < 2:
        raise ValueError(f"{path} has the one class {labels[0]!r}; probing tells two apart")
    return texts, labels


def tasks_of(
    texts: Sequence[str],
    labels: Sequence[str],
    test_texts: Sequence[str] | None = None,
    test_labels: Sequence[str] | None = None,
    *,
    classes: int = 10,
    largest: int = 2000,
    seed: int = 0,
) -> list[Task]:
    """Balanced tasks on the ``classes`` most frequent classes: neighbours in frequency in pairs, and each against rest.

    Pairs share no text, so their answers are independent. "Rest" is drawn from all other classes. Without test texts a
    quarter of each class is set aside; at most ``largest`` texts of a side are used. The order depends on ``seed``.

    Raises
    ------
    ValueError
        if two classes or more have fewer than 8 training and 4 test texts.

    >>> made = tasks_of(["good"] * 20 + ["bad"] * 20, ["+"] * 20 + ["-"] * 20)
    >>> [(task.name, len(task.train), len(task.test)) for task in made]
    [('+ / -', 30, 10)]
    """
    random = np.random.default_rng(seed)
    train = _by_class(texts, labels, random)
    if test_texts is None or test_labels is None:
        test = {name: members[: len(members) // 4] for name, members in train.items()}
        train = {name: members[len(members) // 4 :] for name, members in train.items()}
    else:
        test = _by_class(test_texts, test_labels, random)
    frequent = [
        name
        for name, _ in sorted(Counter(labels).items(), key=lambda item: (-item[1], item[0]))
        if len(train[name]) >= 8 and len(test.get(name, ())) >= 4
    ][:classes]
    if len(frequent) < 2:
        raise ValueError("probing needs two classes with 8 training and 4 test texts each; give more labelled texts")
    pairs = list(zip(frequent[::2], frequent[1::2], strict=False))
    tasks = [_task(f"{a} / {b}", "pairs", [(s[a], s[b]) for s in (train, test)], largest) for a, b in pairs]
    for name in frequent if len(train) > 2 else []:
        sides = []
        for split in (train, test):
            rest = [text for other, members in split.items() if other != name for text in members]
            sides.append((split[name], [rest[i] for i in random.permutation(len(rest))]))
        tasks.append(_task(f"{name} / rest", "one against rest", sides, largest))
    return tasks


def _by_class(texts: Sequence[str], labels: Sequence[str], random: np.random.Generator) -> dict[str, list[str]]:
    """The texts of each class in a random order."""
    found: dict[str, list[str]] = {}
    for i in random.permutation(len(texts)):
        found.setdefault(labels[i], []).append(texts[i])
    return dict(sorted(found.items()))


def _task(name: str, group: str, sides: Sequence[tuple[list[str], list[str]]], largest: int) -> Task:
    parts: list[Any] = []
    for first, second in sides:
        count = min(len(first), len(second), largest)
        parts += [tuple(first[:count] + second[:count]), (True,) * count + (False,) * count]
    return Task(name, group, *parts)


def sparse_probing(
    saes: Mapping[str, SparseAutoencoder], host: Host, tasks: Sequence[Task], ks: Sequence[int] = KS
) -> dict[str, Any]:
    """Test accuracies of sparse probes on the codes of each SAE, and on the host's own dimensions; plain values.

    ``rows`` hold, for each group of tasks and each k, a column's accuracy over all test answers with its 95% interval,
    and the paired difference of ``upgraded`` to the others. Intervals treat a text, not an answer, as the unit: a text
    may be asked about in several tasks. ``tasks`` hold the accuracy of every single task.

    Raises
    ------
    ValueError
        if there are no tasks, or k exceeds the number of latents.
    """
    if not tasks:
        raise ValueError("there are no probing tasks; make them with tasks_of")
    if not all(1 <= k <= sae.d_sae for k in ks for sae in saes.values()):
        raise ValueError(f"k must lie between 1 and the number of latents, not {list(ks)}")
    texts = list(dict.fromkeys(text for task in tasks for text in (*task.train, *task.test)))
    pooled, kept = _pooled(saes, host, texts)
    index = {text: i for i, text in enumerate(kept)}
    answers = {
        (task.name, k, column): _answers(codes, index, task, k)
        for task in tasks
        for k in ks
        for column, codes in pooled.items()
    }
    rows = []
    for group in dict.fromkeys(task.group for task in tasks):
        members = [task for task in tasks if task.group == group]
        unit = np.concatenate([_rows(index, task.test, task.test_labels)[0] for task in members])
        for k in ks:
            right = {c: np.concatenate([answers[task.name, k, c] for task in members]) for c in pooled}
            rows.append(_row(group, k, len(members), right, unit))
    single = [
        {"name": task.name, "group": task.group, "k": k, "test": len(answers[task.name, k, HIDDEN])}
        | {"accuracy": {c: round(float(answers[task.name, k, c].mean()), 6) for c in pooled}}
        for task in tasks
        for k in ks
    ]
    return {"rows": rows, "tasks": single, "texts": len(kept), "left_out": len(texts) - len(kept)}


def _row(group: str, k: int, tasks: int, right: Mapping[str, np.ndarray], unit: np.ndarray) -> dict[str, Any]:
    row: dict[str, Any] = {"group": group, "k": k, "tasks": tasks, "answers": len(unit)}
    row["accuracy"] = {column: _interval(values, unit) for column, values in right.items()}
    if "upgraded" in right:
        others = [column for column in right if column not in ("upgraded", "initialised", HIDDEN)]
        row["difference"] = {column: _interval(right["upgraded"] - right[column], unit) for column in others}
    return row


def _interval(values: np.ndarray, unit: np.ndarray) -> dict[str, float]:
    """Mean of values, and its 95% interval if equal ``unit`` belong together (cluster-robust, normal)."""
    mean = float(values.mean())
    totals = np.bincount(np.unique(unit, return_inverse=True)[1], weights=values - mean)
    error = math.sqrt(float(np.square(totals).sum())) / len(values)
    return {"value": mean, "low": mean - _Z * error, "high": mean + _Z * error}


def _rows(index: Mapping[str, int], texts: Sequence[str], labels: Sequence[bool]) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(index[text], label) for text, label in zip(texts, labels, strict=True) if text in index]
    return np.array([i for i, _ in pairs]), np.array([label for _, label in pairs])


def _answers(pooled: np.ndarray, index: Mapping[str, int], task: Task, k: int) -> np.ndarray:
    """1.0 for each test text that the probe gets right, else 0.0."""
    from sklearn.linear_model import LogisticRegression

    rows, labels = _rows(index, task.train, task.train_labels)
    x = pooled[rows]
    apart = np.abs(x[labels].mean(0) - x[~labels].mean(0))
    chosen = np.argsort(-apart, kind="stable")[:k]
    probe = LogisticRegression(C=1.0, max_iter=1000).fit(x[:, chosen], labels)
    rows, labels = _rows(index, task.test, task.test_labels)
    return (probe.predict(pooled[rows][:, chosen]) == labels).astype(float)


@torch.no_grad()
def _pooled(
    saes: Mapping[str, SparseAutoencoder], host: Host, texts: Sequence[str]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Codes [n, d_sae] averaged over each text's tokens, as the harvest keeps them, and the texts that have any."""
    packed = pack(texts, host.tokenizer, min(host.longest or 1024, 1024), minimum=2)
    # Of a text longer than a context the beginning: backwards, so that the first of its contexts is what stays.
    begins = dict(zip(reversed(packed.document), reversed(packed.tokens), strict=True))
    usable = sorted(begins)
    if not usable:
        raise ValueError("no probing text has two tokens or more")
    means: dict[str, list[Tensor]] = {name: [torch.empty(0)] * len(usable) for name in (*saes, HIDDEN)}
    read = host.hidden_states([begins[i] for i in usable], batch_size=32)
    for group in iter(lambda: list(islice(read, 64)), []):
        states = [_kept(host, hidden) for _, hidden in group]
        lengths = [len(part) for part in states]
        together = torch.cat(states)
        for name, sae in (*saes.items(), (HIDDEN, None)):
            codes = together if sae is None else sae.encode(together.to(sae.W_enc.device))
            for (i, _), part in zip(group, codes.split(lengths), strict=True):
                means[name][i] = part.mean(0).cpu()
    found = {name: torch.stack(rows) for name, rows in means.items()}
    found |= {name: sae.latents.all(found[name], 1) for name, sae in saes.items()}
    return {name: rows.double().numpy() for name, rows in found.items()}, [texts[i] for i in usable]


def _kept(host: Host, hidden: Tensor) -> Tensor:
    """Hidden states [n, d_in] that the harvest keeps; all but the first where that is none."""
    kept = hidden[host.kept(hidden)].float()
    return kept if len(kept) else hidden[1:].float()
