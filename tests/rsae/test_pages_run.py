"""The Python blocks of the pages on SAEs run, in a folder that has what they name: tiny, and nothing is downloaded.

What a block takes from elsewhere stands ready under its name. Every upgrade takes four steps. `PEERS` names the blocks
that run where another library is, `NOT_RUN` those that do not, and why; `test_docs.py` checks what they name.
"""

import csv
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig

import rsae
from rsae.activations.ratio import IDENTITY, RationalActivation
from rsae.data.sources import hidden_states
from rsae.sae.conventions import Conventions
from rsae.sae.transcoder import Transcoder
from rsae.upgrading import own_states
from tests.rsae.material.hub import offline, repository
from tests.rsae.material.tiny import CONFIGS, WIDTH, tiny_text, tiny_tokenizer
from tests.rsae.test_docs import DOCS, PAGES, blocks

PEERS = {
    ("formats", 1): "sae_lens",
    ("notebooks", 0): "tensorboard",
    ("notebooks", 1): "pandas",
    ("saelens", 0): "sae_lens",
}
NOT_RUN = {
    ("hosts", 1): "a TransformerBridge and an nnsight LanguageModel in one environment",
    ("saebench", 0): "multiple_evals downloads data sets",
}
CASES = [(page.stem, number) for page in PAGES for number in range(len(blocks(page, "python")))]
HOOK, CONTEXT = "model.layers.2", 24
PLACE = "blocks.2.mlp.hook_in -> blocks.2.hook_mlp_out"


def about(model: str, hook: str) -> dict[str, Any]:
    return {"model": model, "hook": hook, "context_length": CONTEXT, "prepend_bos": True}


def autoencoder(states: rsae.HiddenStates, model: str, hook: str, **rest: Any) -> rsae.SparseAutoencoder:
    """One that knows hidden states roughly."""
    mean = states.train.mean(0)
    _, _, rows = torch.linalg.svd(states.train - mean, full_matrices=False)
    rows = torch.cat([rows, -rows])
    weights = {"W_enc": rows.T, "b_enc": torch.zeros(2 * WIDTH), "W_dec": rows, "b_dec": mean}
    return rsae.SparseAutoencoder(**weights, family="topk", k=8, metadata=about(model, hook), **rest)


def transcoder(states: rsae.HiddenStates, model: str) -> Transcoder:
    """The linear part of an MLP, which is nearly linear."""
    x, y = states.train[:, :WIDTH], states.train[:, WIDTH:]
    linear = torch.linalg.lstsq(torch.cat([x, x.relu()], 1), y - y.mean(0)).solution
    eye = torch.eye(WIDTH)
    return Transcoder(
        W_enc=torch.cat([eye, -eye], 1),
        b_enc=torch.zeros(2 * WIDTH),
        W_dec=torch.cat([linear[:WIDTH] + linear[WIDTH:], -linear[:WIDTH]]),
        b_dec=y.mean(0),
        family="topk",
        k=28,
        conventions=Conventions(False, rescale_by_decoder_norm=True),
        metadata=about(model, PLACE),
    )


def release(folder: Path) -> None:
    """The cache of a hub: a GPT-2 of nine layers, the release of SAEs of it, and a repository that holds one SAE."""
    model = AutoModelForCausalLM.from_config(GPT2Config(**CONFIGS["gpt2"].to_dict() | {"n_layer": 9})).eval()
    hook, cache = "blocks.8.hook_resid_pre", folder / "cache"
    for part in (model, tiny_tokenizer()):
        part.save_pretrained(folder / "gpt2")
    reading = rsae.Reading(prepend_bos=True, centred=True)
    states = hidden_states((model, tiny_tokenizer()), tiny_text(40), hook, context_length=CONTEXT, reading=reading)
    sae = autoencoder(states, "gpt2-small", hook)
    (folder / "release").mkdir()
    rsae.save_sae(sae, folder / "release" / hook)
    rsae.save_sae(sae, folder / "one")  # at the root, as `rsae push` writes it, and in a folder
    rsae.save_sae(sae, folder / "one" / "layer_12")
    repository(cache, "gpt2", folder / "gpt2")
    repository(cache, "jbloom/GPT2-Small-SAEs-Reformatted", folder / "release")
    repository(cache, "owner/repository", folder / "one")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A folder with the files that pages name, and the values that stand ready."""
    folder = tmp_path_factory.mktemp("pages")
    release(folder)
    home = folder / "path" / "to"
    config = LlamaConfig(**CONFIGS["llama"].to_dict() | {"max_position_embeddings": 512})
    torch.manual_seed(0)
    model, tokenizer = AutoModelForCausalLM.from_config(config).eval(), tiny_tokenizer()
    for part in (model, tokenizer):
        part.save_pretrained(home / "model")
    text = tiny_text(40)
    (folder / "text.json").write_text(json.dumps(text))
    (folder / "stories.json").write_text(json.dumps(tiny_text(12, 520)))
    read = functools.partial(hidden_states, str(home / "model"), text, reading=rsae.Reading(prepend_bos=True))
    states = read(HOOK, context_length=CONTEXT)
    np.save(folder / "states.npy", states.train.numpy())
    sae = autoencoder(states, str(home / "model"), HOOK)
    rsae.save_sae(sae, home / "sae")
    rsae.save_sae(transcoder(read(PLACE, context_length=CONTEXT), str(home / "model")), home / "transcoder")
    (folder / "path" / "written" / "by").mkdir(parents=True)
    rational = autoencoder(states, str(home / "model"), HOOK, activation=RationalActivation(IDENTITY))
    rsae.save_sae(rational, folder / "path" / "written" / "by" / "save_sae")
    for name in ("train.csv", "test.csv"):
        with (folder / name).open("w", newline="") as file:
            rows = [(" ".join(f"w{i % 31 + 31 * (n % 2)}" for i in range(n, n + 12)), n % 2) for n in range(80)]
            csv.writer(file).writerows([("text", "category"), *rows])
    x = states.held_out
    given = {"folder": folder, "text": text, "states": states, "x": x, "codes": sae(x).codes}
    # An SAE that exists already is taken as it is, whoever's it is.
    return given | dict.fromkeys(("teacher", "sae", "upgraded", "sae_lens_object"), sae)


def quick(upgrade: Any, *given: Any, time_budget: float | None = None, **options: Any) -> Any:
    """Four steps, whatever time there is."""
    return upgrade(*given, **{"progress": False} | options | {"steps": 4, "device": "cpu"})


def run(page: str, number: int, world: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for entry in world["folder"].iterdir():
        (folder / entry.name).symlink_to(entry)
    monkeypatch.chdir(folder)
    offline(world["folder"] / "cache", monkeypatch)
    monkeypatch.setattr(own_states, "DEFAULT_TEXT", "text.json")
    monkeypatch.setattr(rsae, "upgrade", functools.partial(quick, rsae.upgrade))
    space = {**world, "rsae": rsae, "__name__": page}
    code = blocks(DOCS / "upgrading" / f"{page}.md", "python")[number]
    exec(compile(code, f"{page}.md", "exec"), space)


@pytest.mark.parametrize(("page", "number"), [case for case in CASES if case not in {*PEERS, *NOT_RUN}])
def test_a_block_runs(
    page: str, number: int, world: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(page, number, world, tmp_path, monkeypatch)


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("page", "number"), PEERS)
def test_a_block_runs_where_a_library_is(
    page: str, number: int, world: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(PEERS[page, number])
    done = quick(rsae.upgrade, world["teacher"], world["states"])
    run(page, number, world | {"done": done}, tmp_path, monkeypatch)


def test_what_does_not_run_is_on_a_page() -> None:
    assert {*PEERS, *NOT_RUN} < set(CASES)
