"""From a release's name to a report: a hub's cache without a connection, and nothing else said.

The lines of docs/upgrading/first-result.md among it: how many they are, and that they run.
"""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

import rsae
from rsae.commands import options
from rsae.commands.main import main
from rsae.formats import load_sae, save_sae
from rsae.sae.autoencoder import SparseAutoencoder
from tests.rsae.material.hub import offline, repository
from tests.rsae.material.tiny import WIDTH, tiny_model, tiny_text, tiny_tokenizer

HOOK = "blocks.2.hook_resid_pre"
ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "upgrading" / "first-result.md").read_text(encoding="utf-8")
BLOCKS = [block.splitlines() for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)]


def commands(lines: list[str]) -> list[list[str]]:
    """The words after ``rsae`` in each line that is a command of ours."""
    words = [shlex.split(line, comments=True) for line in lines]
    return [rest for first, *rest in words if Path(first).name == "rsae"]


def run(*words: str):
    return CliRunner().invoke(main, words)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of a hub that holds a tiny GPT-2 by its name, and the release gpt2-small-res-jb of SAEs of it."""
    folder = tmp_path_factory.mktemp("hub")
    model, tokenizer = tiny_model("gpt2"), tiny_tokenizer()
    model.save_pretrained(folder / "gpt2")
    tokenizer.save_pretrained(folder / "gpt2")
    reading = rsae.Reading(prepend_bos=True, centred=True)
    x = rsae.hidden_states((model, tokenizer), tiny_text(60), HOOK, context_length=24, reading=reading).train
    _, _, rows = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    rows = torch.cat([rows, -rows])
    bias = torch.full((2 * WIDTH,), -0.1 * float(x.std()))
    sae = SparseAutoencoder(W_enc=rows.T, b_enc=bias, W_dec=rows, b_dec=x.mean(0), family="relu")
    written = save_sae(sae, folder / "sae")
    # As releases from before SAELens 6 are: one flat configuration, which does not say that the model was centred.
    flat = {"architecture": "standard", "d_in": WIDTH, "d_sae": 2 * WIDTH, "dtype": "torch.float32", "context_size": 24}
    flat |= {"model_name": "gpt2-small", "hook_name": HOOK, "prepend_bos": True, "normalize_activations": "none"}
    (written / "cfg.json").write_text(json.dumps(flat))
    (folder / "release").mkdir()
    written.rename(folder / "release" / HOOK)
    repository(folder / "cache", "jbloom/GPT2-Small-SAEs-Reformatted", folder / "release")
    repository(folder / "cache", "gpt2", folder / "gpt2")
    return folder / "cache"


def test_a_release_is_upgraded_by_its_name_alone(cache, tmp_path, monkeypatch):
    offline(cache, monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(options, "documents", lambda part: tiny_text(60))
    page = "\n".join(BLOCKS[0]).replace("blocks.8.hook_resid_pre", HOOK)  # the tiny host has four layers
    (words,) = commands(page.splitlines())
    words[words.index("--time-budget") :] = ["--steps", "4"]  # and its time says nothing
    assert words[:3] == ["upgrade", "gpt2-small-res-jb", HOOK]
    result = run(*words)
    assert result.exit_code in (0, 3), result.output
    for word in (
        "Text: docstrings of the installed numpy",
        "give --text",
        "Model: gpt2, as the SAE says",
        f"Hook: {HOOK}, as the SAE says",
        "begin with a BOS token",
        "without their mean over d_in",
    ):
        assert word in result.output
    tree = json.loads(Path(f"run-gpt2-small-res-jb-{HOOK}/report.json").read_text())["question"]
    (opened,) = (line.split()[1] for line in page.splitlines() if line.startswith("open "))
    assert Path(opened).is_file(), "the page that the last line opens"
    asked = tree["hidden_states"]
    assert (asked["source"], asked["hook"], asked["context_length"]) == ("gpt2", HOOK, 24)
    assert asked["prepend_bos"] is True
    assert asked["centred"] is True
    assert load_sae(f"run-gpt2-small-res-jb-{HOOK}/sae").metadata["centred"] is True


def test_python_needs_two_calls_more(cache, monkeypatch):
    offline(cache, monkeypatch)
    sae = rsae.load_sae("gpt2-small-res-jb", HOOK)
    assert sae.family == "relu"
    assert sae.metadata["source"] == f"gpt2-small-res-jb, {HOOK}"
    states = rsae.hidden_states_of(sae, tiny_text(60))
    assert states.train.mean(1).abs().max() < 1e-5
    with pytest.raises(ValueError, match=r"contexts of 24 tokens, they are of 16 .*hidden_states_of"):
        rsae.hidden_states_of(sae, tiny_text(60), context_length=16, progress=lambda done, total: pytest.fail("read"))
    elsewhere = {"hook": "blocks.1.hook_resid_post", "context_length": 16}
    other = rsae.hidden_states_of(sae, tiny_text(60), **elsewhere, accept_mismatch=True)
    assert other.question["context_length"] == 16
    plain = rsae.hidden_states("gpt2", tiny_text(60), HOOK, context_length=24, reading=rsae.Reading(prepend_bos=True))
    torch.testing.assert_close(states.train, plain.train - plain.train.mean(1, keepdim=True))
    # The mean is put back where a vector is replaced, and no LayerNorm ever reads it: the model's own loss is the same.
    assert states.host.clean_loss() == pytest.approx(plain.host.clean_loss(), rel=1e-6)
    assert states.host.loss(lambda x: x) == pytest.approx(plain.host.clean_loss(), rel=1e-5)


@pytest.mark.parametrize(
    ("said", "asked", "length"),
    [
        ({"context_size": 24}, {}, 24),  # its own
        ({}, {}, 64),  # it says none: 256, but the host has 64 positions
        ({"context_size": "long"}, {}, 64),  # nor is that one
        ({}, {"context_length": 16}, 16),
    ],
)
def test_python_and_the_command_line_read_by_one_rule(cache, tmp_path, monkeypatch, said, asked, length):
    offline(cache, monkeypatch)
    sae = save_sae(rsae.load_sae("gpt2-small-res-jb", HOOK), tmp_path / "sae")
    config = json.loads((sae / "cfg.json").read_text())
    config["metadata"].pop("context_size")
    config["metadata"] |= said
    (sae / "cfg.json").write_text(json.dumps(config))
    (tmp_path / "text.json").write_text(json.dumps(tiny_text(60, length=70)))
    words = [f"--{name.replace('_', '-')}={value}" for name, value in asked.items()]
    out = tmp_path / "found.json"
    result = run("evaluate", str(sae), "--text", str(tmp_path / "text.json"), "--out", str(out), *words)
    assert result.exit_code == 0, result.output
    question = json.loads(out.read_text())["question"]["hidden_states"]
    assert question["context_length"] == length
    assert rsae.hidden_states_of(sae, tmp_path / "text.json", **asked).question == question
    plain = rsae.hidden_states("gpt2", tmp_path / "text.json", HOOK, **asked)
    assert plain.question["context_length"] == asked.get("context_length", 64)


def test_an_sae_that_names_no_host_asks_for_one():
    eye = torch.eye(2)
    sae = SparseAutoencoder(W_enc=eye, b_enc=torch.zeros(2), W_dec=eye, b_dec=torch.zeros(2), family="relu")
    with pytest.raises(ValueError, match=r"does not say its model: give one, such as model='gpt2' .--model."):
        rsae.hidden_states_of(sae, ["w1"])


def test_what_a_release_cannot_give_is_one_sentence(cache, tmp_path, monkeypatch):
    offline(cache, monkeypatch)
    monkeypatch.chdir(tmp_path)
    cases = {
        ("gpt2-small-res-bj", HOOK): "near names: gpt2-small-res-jb",
        ("gpt2-small-res-jb",): "one of its SAEs must be named",
        ("gpt2-small-res-jb", "blocks.2.hook_resid_post"): "it has no SAE",
        ("gpt2-small-res-jb", "blocks.3.hook_resid_pre"): "offline, give a local directory",
        ("llama_scope_lxr_8x", "l0r_8x"): "offline, give a local directory",
        (): "no SAE is named",
    }
    for words, wanted in cases.items():
        for command in ("upgrade", "check", "evaluate"):
            result = run(command, *words)
            assert result.exit_code == 2, result.output
            assert wanted in " ".join(result.stderr.split()), result.stderr
    assert not list(tmp_path.iterdir())


def test_releases_are_listed_with_family_and_host(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    listed = run("releases", "gemma-scope-2b-pt-res*")
    assert listed.exit_code == 0
    row = next(line for line in listed.output.splitlines() if "res-canonical" in line)
    assert "jumprelu" in row
    assert "google/gemma-2-2b" in row
    one = run("releases", "gpt2-small-res-jb").output
    assert "repository: jbloom/GPT2-Small-SAEs-Reformatted" in one
    assert "  blocks.8.hook_resid_pre" in one
    assert "any folder" in run("releases", "EleutherAI/sae-pythia-160m-32k").output
    nothing = run("releases", "no-such-thing")
    assert nothing.exit_code == 2
    assert "no release matches" in nothing.stderr


def _sae(folder: Path) -> tuple[Path, torch.Tensor]:
    """An SAE, and hidden states that it explains."""
    x = torch.randn(600, 8, generator=torch.Generator().manual_seed(1))
    rows = torch.cat([torch.eye(8), -torch.eye(8)])
    zeros = {"b_enc": torch.zeros(16), "b_dec": torch.zeros(8)}
    return save_sae(SparseAutoencoder(W_enc=rows.T, W_dec=rows, **zeros, family="topk", k=4), folder / "sae"), x


def test_hidden_states_from_a_file_stand_in_the_place_of_host_and_text(tmp_path):
    sae, x = _sae(tmp_path)
    np.save(tmp_path / "x.npy", x.numpy())
    np.savez(tmp_path / "x.npz", x=x.numpy())
    torch.save(x, tmp_path / "x.pt")
    save_file({"x": x}, tmp_path / "x.safetensors")
    found = []
    for suffix in ("npy", "npz", "pt", "safetensors"):
        out = tmp_path / f"{suffix}.json"
        result = run("evaluate", str(sae), "--states", str(tmp_path / f"x.{suffix}"), "--out", str(out))
        assert result.exit_code == 0, result.output
        found.append(json.loads(out.read_text())["metrics"])
    assert all(metrics == found[0] for metrics in found)


def test_contexts_in_half_precision_are_upgraded(tmp_path):
    sae, x = _sae(tmp_path)
    torch.save(x.reshape(30, 20, 8).bfloat16(), tmp_path / "x.pt")
    words = (str(sae), "--states", str(tmp_path / "x.pt"), "--steps", "2")
    result = run("upgrade", *words, "--out", str(tmp_path / "run"))
    assert result.exit_code in (0, 3), result.output
    asked = json.loads((tmp_path / "run" / "report.json").read_text())["question"]
    assert asked["hidden_states"]["source"] == str(tmp_path / "x.pt")
    assert asked["statistics"]["contexts"] == {"train": 27, "held_out": 3}
    assert asked["statistics"]["dropped_first_positions"] == 30


def test_files_that_do_not_fit_are_refused_before_any_work(tmp_path):
    sae, x = _sae(tmp_path)
    torch.save(x, tmp_path / "x.pt")
    torch.save(x[:, :5].clone(), tmp_path / "narrow.pt")
    cases = {
        ("--states", str(tmp_path / "narrow.pt")): "vectors of width 5, but the SAE takes d_in = 8",
        ("--states", str(tmp_path / "absent.npy")): "no hidden states at",
        ("--states", str(tmp_path)): "no folder of hidden states",
        ("--states", str(tmp_path / "x.pt"), "--model", "gpt2", "--no-bos"): "leave out --model, --prepend-bos",
    }
    for words, wanted in cases.items():
        result = run("upgrade", str(sae), *words, "--out", str(tmp_path / "run"))
        assert result.exit_code == 2, result.output
        assert wanted in " ".join(result.stderr.split())
        assert not (tmp_path / "run").exists()


def test_at_most_five_lines_lead_from_nothing_to_a_report() -> None:
    assert 3 <= len(BLOCKS[0]) <= 5
    assert len(commands(BLOCKS[0])) == 1
    assert sum("pip install" in line for line in BLOCKS[0]) == 1


def test_all_its_commands_exist_with_their_options() -> None:
    for block in BLOCKS:
        for command, *rest in commands(block):
            known = {option for parameter in main.commands[command].params for option in parameter.opts}
            assert {word for word in rest if word.startswith("--")} <= known
