"""Sparse probing: classes that one latent tells apart, chance where none does, and files that are no labelled text."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from rsae.commands.main import main
from rsae.data.sources import hidden_states
from rsae.evaluation.probing import read_labelled, sparse_probing, tasks_of
from rsae.hosts.host import Host
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.upgrading.findings import evidence
from tests.rsae.material.tiny import WIDTH, tiny_model, tiny_tokenizer


def sae(seed: int = 0) -> SparseAutoencoder:
    rows = torch.randn(48, WIDTH, generator=torch.Generator().manual_seed(seed))
    return SparseAutoencoder(W_enc=rows.T, b_enc=torch.zeros(48), W_dec=rows, b_dec=torch.zeros(WIDTH), family="relu")


@pytest.fixture(scope="module")
def host() -> Host:
    return Host(tiny_model("llama"), tiny_tokenizer(), "model.layers.1")


def texts(count: int, apart: bool, seed: int = 0) -> tuple[list[str], list[str]]:
    """Texts of random words; ``apart``: the class decides from which half of the vocabulary."""
    random = np.random.default_rng(seed)
    labels = [("yes", "no")[i % 2] for i in range(count)]
    low = [31 * (label == "yes") * apart for label in labels]
    size = 31 if apart else 62
    return [" ".join(f"w{i}" for i in start + random.integers(size, size=12)) for start in low], labels


def test_classes_of_other_words_are_told_apart_and_equal_ones_are_not(host: Host) -> None:
    saes = {"teacher": sae(), "upgraded": sae(1)}
    apart = sparse_probing(saes, host, tasks_of(*texts(160, True)))
    assert [(row["group"], row["k"], row["answers"]) for row in apart["rows"]] == [("pairs", k, 40) for k in (1, 2, 5)]
    assert apart["rows"][-1]["accuracy"]["teacher"]["low"] > 0.7
    for row in apart["rows"]:
        assert set(row["accuracy"]) == {"teacher", "upgraded", "hidden states"}
        for cell in row["accuracy"].values():
            assert cell["low"] <= cell["value"] <= cell["high"]
        gap = row["accuracy"]["upgraded"]["value"] - row["accuracy"]["teacher"]["value"]
        assert row["difference"]["teacher"]["value"] == pytest.approx(gap)
    equal = sparse_probing(saes, host, tasks_of(*texts(320, False)))
    assert equal["rows"][-1]["accuracy"]["teacher"]["low"] < 0.5 < equal["rows"][-1]["accuracy"]["teacher"]["high"]


def test_the_chosen_latent_is_the_one_whose_means_differ_most(host: Host) -> None:
    """One latent reads whether the class occurs; all others are silent. So k = 1 is as good as k = 2."""
    task = tasks_of(*texts(160, True))[0]
    states = {}
    for index, hidden in host.hidden_states([host.tokenizer(text)["input_ids"] for text in task.train]):
        states[index] = hidden[1:].mean(0)
    means = torch.stack([states[i] for i in range(len(states))])
    labels = torch.tensor(task.train_labels)
    direction = means[labels].mean(0) - means[~labels].mean(0)
    encoder = torch.zeros(WIDTH, 8)
    encoder[:, 5] = 10 * direction / direction.square().sum()  # the penalty of the probe knows units of 1
    bias = torch.full((8,), -1.0)
    bias[5] = 0.0
    made = SparseAutoencoder(W_enc=encoder, b_enc=bias, W_dec=torch.randn(8, WIDTH), b_dec=means.mean(0), family="relu")
    one, two = (
        row["accuracy"]["made"]["value"] for row in sparse_probing({"made": made}, host, [task], (1, 2))["rows"]
    )
    assert one == two > 0.8


def test_the_interval_takes_a_text_as_the_unit(host: Host) -> None:
    """Asked about every text twice, the probe is right as often, and no surer."""
    tasks = tasks_of(*texts(160, False))
    once = sparse_probing({"a": sae()}, host, tasks, (1,))["rows"][0]["accuracy"]["a"]
    twice = sparse_probing({"a": sae()}, host, tasks * 2, (1,))["rows"][0]["accuracy"]["a"]
    assert twice == pytest.approx(once)


def test_tasks_are_balanced_disjoint_and_repeatable() -> None:
    labels = [f"class {i % 5}" for i in range(200)]
    words = [f"text {i}" for i in range(200)]
    made = tasks_of(words, labels, classes=4)
    assert made == tasks_of(words, labels, classes=4)
    assert made != tasks_of(words, labels, classes=4, seed=1)
    assert [task.name for task in made[:2]] == ["class 0 / class 1", "class 2 / class 3"]
    assert [task.group for task in made] == ["pairs"] * 2 + ["one against rest"] * 4
    for task in made:
        assert not set(task.train) & set(task.test)
        for answers in (task.train_labels, task.test_labels):
            assert sum(answers) * 2 == len(answers)
    assert tasks_of(words, labels, largest=3)[0].train_labels == (True,) * 3 + (False,) * 3
    given = tasks_of(words[:100], labels[:100], words[100:], labels[100:])
    assert set(given[0].test) <= set(words[100:])
    with pytest.raises(ValueError, match="two classes with 8 training"):
        tasks_of(words[:20], labels[:20])


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"", "it has none"),
        (b"a,b\n1,2\n", "it has a, b"),
        (b"text,category\n,x\n", "a row without a text"),
        (b"text,category\nword,\n", "a row without a text"),
        (b"text,category\nword,x\n", "the one class 'x'"),
        (b"text,category\ncaf\xe9,x\n", "not a CSV file in UTF-8"),
        (b'text,category\n"word,x\n', "not a CSV file"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, wanted: str) -> None:
    (tmp_path / "texts.csv").write_bytes(content)
    with pytest.raises(ValueError, match=wanted):
        read_labelled(tmp_path / "texts.csv")
    with pytest.raises(FileNotFoundError, match="no labelled texts"):
        read_labelled(tmp_path / "absent.csv")


def test_labelled_texts_are_read(tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text('\ufefftext,label\n"one, two",a\nthree,b\n', encoding="utf-8")
    assert read_labelled(tmp_path / "texts.csv") == (["one, two", "three"], ["a", "b"])


def test_what_cannot_be_probed_is_refused(host: Host) -> None:
    with pytest.raises(ValueError, match="no probing tasks"):
        sparse_probing({"a": sae()}, host, [])
    with pytest.raises(ValueError, match="k must lie between"):
        sparse_probing({"a": sae()}, host, tasks_of(*texts(40, True)), (49,))


def test_the_evidence_of_an_upgrade_probes_every_column_and_needs_a_host(host: Host) -> None:
    words, labels = texts(80, True)
    states = hidden_states((host.model, host.tokenizer), words, "model.layers.1", context_length=16)
    saes = {"teacher": sae(), "initialised": sae(), "upgraded": sae(1), "control": sae(2)}
    found = evidence(saes, states, states.host, tasks_of(words, labels))["probing"]
    assert list(found["rows"][0]["accuracy"]) == [*saes, "hidden states"]
    assert list(found["rows"][0]["difference"]) == ["teacher", "control"]
    with pytest.raises(ValueError, match="these hidden states have none"):
        evidence(saes, states, None, tasks_of(words, labels))


def test_the_test_file_alone_is_refused(tmp_path: Path) -> None:
    words = ["upgrade", "--sae", "s", "--model", "m", "--hook", "h", "--text", "t", "--out", str(tmp_path / "run")]
    for options, wanted in (
        (["--probe-test", "x.csv"], "give both"),
        (["--probe", "no/such.csv"], "no labelled texts"),
    ):
        result = CliRunner().invoke(main, [*words, *options])
        assert result.exit_code == 2
        assert wanted in result.stderr
