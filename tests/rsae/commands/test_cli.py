"""The command line of rsae: what it writes, and how it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from rsae.commands.main import main
from rsae.data.sources import hidden_states
from rsae.formats import load_sae, save_sae
from rsae.sae.autoencoder import SparseAutoencoder
from tests.rsae.material.tiny import WIDTH, tiny_model, tiny_text, tiny_tokenizer

HOOK = "model.layers.2"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A tiny host, a text and an SAE that knows the host's hidden states roughly, as files."""
    folder = tmp_path_factory.mktemp("inputs")
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    model.save_pretrained(folder / "host")
    tokenizer.save_pretrained(folder / "host")
    documents = tiny_text(60)
    (folder / "text.json").write_text(json.dumps(documents))
    states = hidden_states((model, tokenizer), documents, HOOK, context_length=32).train
    mean = states.mean(0)
    _, _, directions = torch.linalg.svd(states - mean, full_matrices=False)
    rows = torch.cat([directions, -directions])
    teacher = SparseAutoencoder(W_enc=rows.T, b_enc=torch.zeros(2 * WIDTH), W_dec=rows, b_dec=mean, family="topk", k=8)
    save_sae(teacher, folder / "sae")
    return {
        "--sae": str(folder / "sae"),
        "--model": str(folder / "host"),
        "--hook": HOOK,
        "--text": str(folder / "text.json"),
        "--context-length": "32",
        "--device": "cpu",
    }


def run(command: str, options: dict[str, str], *flags: str) -> Result:
    words = [word for pair in options.items() for word in pair]
    return CliRunner().invoke(main, [command, *words, *flags])


def sentence(result: Result) -> str:
    """The one line of a refusal; fails where there is a traceback, or more than a line."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    lines = result.stderr.strip().splitlines()
    assert lines[-1].startswith("Error: ")
    return lines[-1]


def test_upgrade_writes_report_page_and_sae_and_prints_the_table(inputs: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = run("upgrade", {**inputs, "--out": str(out), "--steps": "20", "--anchor": "0.5"})
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.json", "sae"]
    tree = json.loads((out / "report.json").read_text())
    assert list(tree["columns"]) == ["teacher", "initialised", "upgraded", "control"]
    assert {"mse", "l0", "explained_variance", "alive_fraction", "delta_ce", "loss_recovered"} <= set(
        tree["columns"]["upgraded"]
    )
    assert tree["question"]["steps"] == 20
    assert {recipe["anchor"] for recipe in tree["question"]["recipes"].values()} == {0.5}
    for word in ("teacher", "initialised", "upgraded", "control", "MSE", "delta-CE", tree["verdict"][:30]):
        assert word in result.output
    assert str(out / "report.html") in result.output
    assert load_sae(out / "sae").d_in == WIDTH


def test_check_says_what_each_step_adds_and_what_to_do(inputs: dict[str, str], tmp_path: Path) -> None:
    options = {name: value for name, value in inputs.items() if name != "--sae"}
    out = tmp_path / "run"
    words = [
        word for pair in {**options, "--out": str(out), "--steps": "20", "--threads": "1"}.items() for word in pair
    ]
    result = CliRunner().invoke(main, ["check", inputs["--sae"], *words])
    tree = json.loads((out / "report.json").read_text())
    assert tree["question"]["threads"] == 1
    found = tree["attribution"]["mse"]
    assert result.exit_code == (3 if found["advised"] == "teacher" else 0), result.output
    assert [step["arm"] for step in found["steps"]][:2] == ["control", "scale"]
    for said in ("what is added", "more training", found["sentence"][:20], found["advice"][:20]):
        assert said in result.output


def test_the_kl_stage_is_the_last_step_of_a_check(inputs: dict[str, str], tmp_path: Path) -> None:
    options = {name: value for name, value in inputs.items() if name != "--sae"}
    asked = {
        **options,
        "--out": str(tmp_path / "run"),
        "--steps": "8",
        "--kl-share": "0.25",
        "--refine": "residual_twice",
        "--denominator": "trainable",
    }
    result = CliRunner().invoke(main, ["check", inputs["--sae"], *(word for pair in asked.items() for word in pair)])
    tree = json.loads((tmp_path / "run" / "report.json").read_text())
    assert list(tree["attribution"]) == ["kl", "mse", "delta_ce"]
    for found in tree["attribution"].values():
        assert [(step["arm"], step["what"]) for step in found["steps"]] == [
            ("control_mse", "more training"),
            ("scale", "one scalar"),
            ("polynomial_in_h", "a polynomial in h"),
            ("fixed_denominator", "the ratio tau / h"),
            ("trainable_denominator", "the trainable denominator"),
            ("unrefined", "the norm share"),
            ("upgraded_mse", "the refinement"),
            ("upgraded", "the KL stage"),
        ]
    assert tree["attribution"]["kl"]["advice"] in tree["verdict"]
    staged = [name for name, recipe in tree["question"]["recipes"].items() if recipe["kl_share"]]
    assert set(staged) == {"control", "refine_only", "upgraded"}
    assert result.exit_code in (0, 3), result.output


def test_an_upgrade_that_gains_nothing_ends_with_exit_code_3(inputs: dict[str, str], tmp_path: Path) -> None:
    """It had saved an SAE that was worse than its teacher, and said so nowhere but in a table."""
    text = tmp_path / "text.json"
    text.write_text(json.dumps(tiny_text(60, seed=9)))
    # A teacher without error: its rows are all dimensions, and k keeps every code.
    rows = torch.cat([torch.eye(WIDTH), -torch.eye(WIDTH)])
    whole = SparseAutoencoder(
        W_enc=rows.T, b_enc=torch.zeros(2 * WIDTH), W_dec=rows, b_dec=torch.zeros(WIDTH), family="topk", k=WIDTH
    )
    save_sae(whole, tmp_path / "sae")
    asked = {**inputs, "--sae": str(tmp_path / "sae"), "--text": str(text), "--out": str(tmp_path / "run")}
    result = run("upgrade", {**asked, "--steps": "2"})
    assert result.exit_code == 3, result.output
    assert "the SAE returned is the initialised one" in result.output


def test_a_share_or_a_weight_asks_for_the_kl_stage(inputs: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    asked = {**inputs, "--steps": "8", "--kl-share": "0.25"}
    result = run("upgrade", {**asked, "--out": str(out)})
    assert result.exit_code in (0, 3), result.output
    tree = json.loads((out / "report.json").read_text())
    assert list(tree["columns"]) == ["teacher", "initialised", "upgraded", "control", "control_mse"]
    shares = {name: recipe["kl_share"] for name, recipe in tree["question"]["recipes"].items()}
    assert shares == {"upgraded": 0.25, "control": 0.25, "control_mse": 0.0}
    assert "belong to --objective mse+kl" in sentence(run("upgrade", asked | {"--objective": "mse", "--out": "x"}))


def test_evaluate_prints_metrics_and_writes_them(inputs: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "metrics.json"
    result = run("evaluate", {**inputs, "--out": str(out)})
    assert result.exit_code == 0, result.output
    tree = json.loads(out.read_text())
    assert tree["metrics"]["l0"]["value"] <= 8
    assert tree["question"]["hidden_states"]["hook"] == HOOK
    assert "explained variance" in result.output
    assert "exists" in sentence(run("evaluate", {**inputs, "--out": str(out)}))
    assert run("evaluate", {**inputs, "--out": str(out), "--loss-tokens": "40"}, "--overwrite").exit_code == 0
    shorter = json.loads(out.read_text())["metrics"]["ce_spliced"]["definition"]
    assert "over 31 next tokens of 1 held-out contexts" in shorter
    assert shorter != tree["metrics"]["ce_spliced"]["definition"]


def test_a_folder_with_results_is_refused_before_any_work_unless_overwrite(
    inputs: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "report.json").write_text("kept")
    missing = {**inputs, "--out": str(tmp_path), "--sae": "no/such/folder"}
    assert "is not empty" in sentence(run("upgrade", missing))
    assert "no/such/folder" in sentence(run("upgrade", missing, "--overwrite"))
    assert (tmp_path / "report.json").read_text() == "kept"
    assert "is a file" in sentence(run("upgrade", {**inputs, "--out": str(tmp_path / "report.json")}))
    assert "is not empty" in sentence(run("demo", {"--out": str(tmp_path)}, "--synthetic"))


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("--sae", "no/such/sae", "no/such/sae"),
        ("--model", "./no/such/model", "no model at"),
        ("--hook", "model.layers.9", "model.layers."),
        ("--text", "no/such/text.json", "no text file"),
        ("--device", "abacus", "abacus"),
        ("--max-tokens", "0", "max_tokens"),
        ("--context-length", "2", "context_length"),
        ("--held-out", "1.5", "held_out"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    inputs: dict[str, str], tmp_path: Path, option: str, value: str, wanted: str
) -> None:
    out = tmp_path / "run"
    result = run("upgrade", {**inputs, "--out": str(out), option: value})
    assert wanted in sentence(result)
    assert not out.exists()


def test_a_demo_has_one_teacher(tmp_path: Path) -> None:
    for flags in (["--synthetic", "--make-teacher"], ["--synthetic", "--teacher", "x"]):
        result = CliRunner().invoke(main, ["demo", "--out", str(tmp_path / "run"), *flags])
        assert "exclude each other" in sentence(result)
    assert "give both" in sentence(CliRunner().invoke(main, ["demo", "--out", str(tmp_path / "run"), "--l0", "40"]))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [b"", b"   \n", b"caf\xe9 in Latin-1 " * 9])
def test_text_that_is_empty_or_not_utf8_is_refused(inputs: dict[str, str], tmp_path: Path, content: bytes) -> None:
    (tmp_path / "text.txt").write_bytes(content)
    result = run("upgrade", {**inputs, "--out": str(tmp_path / "run"), "--text": str(tmp_path / "text.txt")})
    assert str(tmp_path / "text.txt") in sentence(result).replace("\n", "")


def test_an_interrupt_ends_without_traceback_and_without_results(
    inputs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    # The module: as an attribute of the package, rsae.upgrade is the function.
    monkeypatch.setattr("rsae.upgrading.tuning.finetune", interrupted)
    result = run("upgrade", {**inputs, "--out": str(tmp_path / "run")})
    assert result.exit_code == 130
    assert "was interrupted" in result.stderr
    # No result, but the hidden states read so far: the same command goes on from there.
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["checkpoint"]


def test_help_and_version() -> None:
    for words in (["--help"], ["upgrade", "--help"], ["demo", "--help"], ["--version"]):
        assert CliRunner().invoke(main, words).exit_code == 0


def test_contexts_are_as_long_as_the_sae_says_it_was_trained_on(inputs: dict[str, str], tmp_path: Path) -> None:
    teacher = load_sae(inputs["--sae"])
    teacher.metadata["context_length"] = 20
    save_sae(teacher, tmp_path / "sae")
    own = {name: value for name, value in inputs.items() if name != "--context-length"} | {
        "--sae": str(tmp_path / "sae")
    }
    for number, (options, length) in enumerate(((own, 20), (own | {"--context-length": "32"}, 32))):
        out = tmp_path / f"{number}.json"
        if number:
            assert "contexts of 20 tokens, they are of 32" in sentence(run("evaluate", options | {"--out": str(out)}))
        result = run("evaluate", options | {"--out": str(out)}, *(["--accept-mismatch"] * number))
        assert result.exit_code == 0, result.output
        assert json.loads(out.read_text())["question"]["hidden_states"]["context_length"] == length


def test_contexts_begin_as_the_sae_says_it_was_trained_unless_an_option_says_else(
    inputs: dict[str, str], tmp_path: Path
) -> None:
    def begins(name: str, *flags: str) -> tuple[bool, str]:
        out = tmp_path / f"{name}{''.join(flags)}.json"
        options = {**inputs, "--sae": str(tmp_path / name), "--out": str(out), "--max-tokens": "300"}
        result = run("evaluate", options, *flags)
        assert result.exit_code == 0, result.output
        return json.loads(out.read_text())["question"]["hidden_states"]["prepend_bos"], result.output

    for name, own in (("with", True), ("without", False)):
        sae = load_sae(inputs["--sae"])
        sae.metadata = {**sae.metadata, "prepend_bos": own}
        save_sae(sae, tmp_path / name)
    found, said = begins("with")
    assert found is True
    assert "Contexts begin with a BOS token, as the SAE says it was trained" in said
    found, said = begins("without")
    assert found is False
    assert "Contexts do not begin with a BOS token" in said
    found, said = begins("with", "--no-bos", "--accept-mismatch")
    assert found is False
    assert "BOS" not in said
    assert begins("without", "--bos", "--accept-mismatch")[0] is True


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"hook": "blocks.3.hook_resid_post"}, "trained at 'blocks.3.hook_resid_post', they are of 'model.layers.2'"),
        ({"model": "gpt2-small"}, "trained on the model 'gpt2-small'"),
        ({"model_dtype": "bfloat16"}, "its host was in bfloat16, this one is in float32"),
    ],
)
def test_what_the_sae_says_of_itself_is_not_contradicted_by_accident(
    inputs: dict[str, str], tmp_path: Path, metadata: dict[str, Any], words: str
) -> None:
    """A wrong layer had passed as success: "24.7% lower than the teacher's"."""
    host = tmp_path / "llama"
    host.symlink_to(inputs["--model"])
    sae = load_sae(inputs["--sae"])
    sae.metadata = {**sae.metadata, **metadata}
    save_sae(sae, tmp_path / "sae")
    asked = {**inputs, "--sae": str(tmp_path / "sae"), "--model": str(host), "--out": str(tmp_path / "run")}
    flags = ["--steps", "1", "--dtype", "float32"]
    refusal = sentence(run("upgrade", asked, *flags))
    assert words in refusal
    assert "--accept-mismatch" in refusal
    assert not (tmp_path / "run").exists(), "nothing was read, and nothing is in the way of the corrected command"
    if "hook" in metadata:
        done = run("upgrade", asked, *flags, "--accept-mismatch")
        assert done.exit_code in (0, 3), done.output
        assert "Accepted although it was trained at" in " ".join(done.output.split())


def test_another_width_is_refused_before_the_harvest(inputs: dict[str, str], tmp_path: Path) -> None:
    eye = torch.eye(WIDTH + 1)
    narrow = SparseAutoencoder(W_enc=eye, b_enc=eye[0], W_dec=eye, b_dec=eye[0], family="topk", k=8)
    save_sae(narrow, tmp_path / "sae")
    out = tmp_path / "run"
    for flags in ([], ["--accept-mismatch"]):
        refusal = sentence(run("upgrade", {**inputs, "--sae": str(tmp_path / "sae"), "--out": str(out)}, *flags))
        assert f"width {WIDTH}, but the SAE takes d_in = {WIDTH + 1}" in refusal
        assert not out.exists()


def test_what_a_refused_run_left_is_not_in_the_way(inputs: dict[str, str], tmp_path: Path) -> None:
    """The harvest of the refused command stayed, and the corrected one was told that an unfinished run differs."""
    strange = load_sae(inputs["--sae"])
    with torch.no_grad():
        strange.b_enc.add_(50.0)
    save_sae(strange, tmp_path / "sae")
    out, refused = tmp_path / "run", {**inputs, "--sae": str(tmp_path / "sae"), "--out": str(tmp_path / "run")}
    assert "another layer, hook or model" in sentence(run("upgrade", refused))
    harvested = out / "checkpoint/hidden_states/train.safetensors"
    before = harvested.stat().st_mtime_ns
    assert "another layer, hook or model" in sentence(run("upgrade", refused)), "the same command goes on with it"
    assert harvested.stat().st_mtime_ns == before
    corrected = {**inputs, "--hook": "layers.2", "--out": str(out), "--steps": "1", "--loss-tokens": "64"}
    done = run("upgrade", corrected)
    assert done.exit_code in (0, 3), done.output
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.json", "sae"]
    question = json.loads((out / "report.json").read_text())["question"]
    assert question["hidden_states"]["hook"] == "layers.2"
    assert question["sae"] == inputs["--sae"], "it said that the SAE was in memory"
