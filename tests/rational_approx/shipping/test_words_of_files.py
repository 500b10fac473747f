"""Words of a file stand in comments of the code that is made of it: they must not become code."""

import copy

import pytest

from rational_approx import export, implement
from rational_approx.shipping.documents import canonical_hash, document, from_document
from rational_approx.verifier import verify

WORDS = ['x"""\nimport os\n"""', "x\nprint(1)", "x */ int y; /*", "x\u2028y", 3]
WORDS += ['x"""; print(1); """', "x \\", "x ??/"]  # a docstring ends, and a comment goes on into the next line


@pytest.fixture(scope="module", params=["bfloat16", "fixed2.4"])
def content(request):
    return document(implement("relu", format=request.param))


def changed(content, where, words):
    content = copy.deepcopy(content)
    parts = {"name": content["target"], "expression": content["target"]}
    part = parts.get(where) or (content.get("pieces") or content["rows"])[0]
    part[where] = "max(x,\n0)" if where == "expression" else words
    return content | {"hash": canonical_hash(content)}


@pytest.mark.parametrize("words", WORDS, ids=repr)
@pytest.mark.parametrize("where", ["name", "about", "expression"])
def test_a_file_with_words_that_are_no_line_is_refused(content, where, words):
    other = changed(content, where, words)
    with pytest.raises(ValueError, match="one line of plain text"):
        from_document(other)
    assert verify(other, 20).outcome == "refuted"


def test_a_function_has_a_plain_name(content):
    if "functions" in content:
        function = {"name": "exp_\nimport os", "steps": [], "result": "x", "about": ""}
        other = content | {"functions": [function]}
        with pytest.raises(ValueError, match="unknown function"):
            from_document(other | {"hash": canonical_hash(other)})


def test_a_name_is_not_checked_and_that_is_said(content):
    assert any("called silu" in each for each in verify(changed(content, "name", "silu"), 60).unchecked)


def test_a_formula_on_several_lines_is_one_line_of_code():
    found = implement("max(x,\n  0)")
    assert found.name == "max(x, 0)"
    assert export(found, "numpy").splitlines()[0] == "# f(x) = max(x, 0)"
