"""SAEBench's own evaluations on our SAEs, beside our own numbers; and what is said where it is not installed."""

import json
from importlib.util import find_spec as really_found
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

import rsae
from rsae.activations.ratio import IDENTITY, RationalActivation
from rsae.commands.main import main
from rsae.data.reading import Reading
from rsae.data.states import HiddenStates, hidden_states
from rsae.evaluation.metrics import evaluate
from rsae.formats import save_sae
from rsae.hosts.places import hook_point
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.saebench import DEFINITIONS, adapted, core_metrics
from tests.rsae.material.saes import random_sae
from tests.rsae.material.tiny import WIDTH, tiny_model, tiny_text, tiny_tokenizer

LENGTH = 24


def without_saebench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsae.saebench.find_spec", lambda name: None if name == "sae_bench" else really_found(name))


def test_places_have_their_names_of_transformer_lens() -> None:
    for name in ("model.layers.7", "transformer.h.7", "gpt_neox.layers.7", "blocks.7.hook_resid_post"):
        assert hook_point(name) == "blocks.7.hook_resid_post"
    assert hook_point("blocks.7.hook_mlp_out") == "blocks.7.hook_mlp_out"
    for name in ("model.layers.7.mlp", "lm_head", ""):
        with pytest.raises(ValueError, match="names in TransformerLens"):
            hook_point(name)


def test_without_saebench_it_says_so_before_any_work(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_saebench(monkeypatch)
    words = [word for pair in files.items() for word in pair]
    result = CliRunner().invoke(main, ["upgrade", *words, "--out", str(tmp_path / "run"), "--saebench"])
    assert result.exit_code == 2
    assert "sae_bench, which is not installed: docs/upgrading/saebench.md says how" in result.stderr
    assert not (tmp_path / "run" / "report.json").exists()
    with pytest.raises(ImportError, match="says how"):
        adapted(random_sae("topk"), model="gpt2", hook="blocks.0.hook_resid_post")


def test_hidden_states_without_a_host_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsae.saebench.find_spec", lambda name: name)
    x = torch.randn(1000, 8, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="need a host and held-out contexts"):
        rsae.upgrade(random_sae("topk"), x, steps=1, settings=rsae.Settings(saebench=True))


def rational(family: str, **options: Any) -> SparseAutoencoder:
    sae = random_sae(family, activation=RationalActivation(IDENTITY, ("ratio", "norm")), **options)
    with torch.no_grad():
        for parameter in sae.activation.parameters():
            parameter.add_(0.05 * torch.arange(1.0, parameter.numel() + 1).cos())
    return sae


@pytest.fixture(scope="module")
def states() -> HiddenStates:
    """Of a tiny host, in contexts of one length that begin with a BOS token, none dropped for its norm."""
    reading = Reading(prepend_bos=True, outlier_medians=None, loss_tokens=None)
    source = (tiny_model("llama"), tiny_tokenizer())
    return hidden_states(source, tiny_text(60), "model.layers.2", context_length=LENGTH, reading=reading, held_out=0.3)


def teacher_of(states: HiddenStates) -> SparseAutoencoder:
    """An SAE that knows these hidden states roughly."""
    _, _, rows = torch.linalg.svd(states.train - states.train.mean(0), full_matrices=False)
    rows, mean = torch.cat([rows, -rows]), states.train.mean(0)
    return SparseAutoencoder(W_enc=rows.T, b_enc=torch.zeros(2 * WIDTH), W_dec=rows, b_dec=mean, family="topk", k=8)


@pytest.fixture(scope="module")
def files(states: HiddenStates, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Options of a command: a host, a text and an SAE as files."""
    folder = tmp_path_factory.mktemp("files")
    for part in (tiny_model("llama"), tiny_tokenizer()):
        part.save_pretrained(folder / "host")
    (folder / "text.json").write_text(json.dumps(tiny_text(60)))
    save_sae(teacher_of(states), folder / "sae")
    options = {"--sae": folder / "sae", "--model": folder / "host", "--text": folder / "text.json"}
    options |= {"--hook": "model.layers.2", "--context-length": LENGTH, "--device": "cpu", "--steps": 4}
    return {name: str(value) for name, value in options.items()}


@pytest.fixture(scope="module")
def sae_bench() -> Any:
    pytest.importorskip("rsae.saelens", exc_type=ImportError)
    return pytest.importorskip("sae_bench", exc_type=ImportError)


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "topk": ("topk", {}),
    "topk by norm": ("topk", {"rescale_by_decoder_norm": True}),
    "jumprelu": ("jumprelu", {}),
    "relu": ("relu", {}),
    "relu of layer norms": ("relu", {"normalise": "layer_norm"}),
    "topk without b_dec": ("topk", {"apply_b_dec_to_input": False}),
    "refined": ("relu", {"refine": "residual"}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("gate", ["rational", "its own"])
@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
@torch.no_grad()
def test_an_adapted_sae_has_the_interface_of_a_custom_sae_and_computes_ours(
    sae_bench: Any, case: str, gate: str
) -> None:
    from sae_bench.custom_saes.relu_sae import ReluSAE

    family, options = CASES[case]
    ours = rational(family, **options) if gate == "rational" else random_sae(family, **options)
    found = adapted(ours, model="gpt2-small", hook="model.layers.3")
    theirs = ReluSAE(8, 24, "gpt2-small", 3, torch.device("cpu"), torch.float32)
    for name, parameter in theirs.named_parameters():
        assert getattr(found, name).shape == parameter.shape, name
    assert (found.device, found.dtype) == (theirs.device, theirs.dtype)
    for name in ("d_in", "d_sae", "hook_layer", "hook_name", "hook_head_index", "model_name", "dtype"):
        assert getattr(found.cfg, name) == getattr(theirs.cfg, name), name
    json.dumps(found.cfg.to_dict())
    x = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(found.decode(found.encode(x)), ours(x).reconstruction, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found(x), ours(x).reconstruction, rtol=1e-5, atol=1e-5)
    assert torch.equal(found.encode(x) != 0, ours.encode(x) != 0)
    if case == "topk by norm" or (family, gate) in (("relu", "its own"), ("jumprelu", "its own")):
        torch.testing.assert_close(found.W_dec.norm(dim=1), torch.ones(24), rtol=1e-5, atol=1e-5)


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
def test_an_sae_that_names_no_host_asks_for_one(sae_bench: Any) -> None:
    with pytest.raises(ValueError, match="give model= and hook="):
        adapted(random_sae("topk"))


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
def test_its_core_metrics_are_ours_where_the_definitions_agree(sae_bench: Any, states: HiddenStates) -> None:
    sae = teacher_of(states)
    host = states.host
    assert host is not None
    host.contexts = [context for context in host.contexts if len(context) == LENGTH]
    host.contexts = host.contexts[: len(host.contexts) // 16 * 16 or len(host.contexts)]
    held_out = torch.cat([hidden[1:] for _, hidden in host.hidden_states(host.contexts)])
    ours = evaluate(sae, held_out, host)
    theirs = core_metrics({"teacher": sae}, host)["teacher"]
    assert set(theirs) == {f"saebench_{name}" for name in DEFINITIONS}
    assert theirs["saebench_l0"].value == pytest.approx(ours["l0"].value, rel=1e-5)
    assert theirs["saebench_cossim"].value == pytest.approx(ours["cosine"].value, rel=1e-5)
    # Its means leave out the first position, where nothing is replaced.
    kl = theirs["saebench_kl_div_with_sae"].value * (LENGTH - 1) / LENGTH
    assert kl == pytest.approx(ours["kl"].value, rel=1e-3)
    delta = theirs["saebench_ce_loss_with_sae"].value - theirs["saebench_ce_loss_without_sae"].value
    assert delta * (LENGTH - 2) / (LENGTH - 1) == pytest.approx(ours["delta_ce"].value, abs=2e-6)
    # Its squared error is divided by the tokens of a batch once more.
    batch = min(16, len(host.contexts)) * (LENGTH - 1)
    assert theirs["saebench_mse"].value * batch == pytest.approx(ours["mse"].value, rel=1e-4)


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
def test_its_whole_core_evaluation_runs_on_an_upgraded_sae(
    sae_bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`multiple_evals` itself, with its own store of activations, on a small model of TransformerLens."""
    from datasets import Dataset
    from sae_bench.evals.core import main as core
    from transformer_lens import HookedTransformer, HookedTransformerConfig
    from transformers import AutoTokenizer

    tokenizer = tiny_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token = "<s>"
    tokenizer.save_pretrained(tmp_path / "tokenizer")  # TransformerLens asks a tokenizer where it was loaded from
    sizes = {"n_layers": 4, "d_model": 8, "d_head": 4, "n_heads": 2, "n_ctx": 64, "d_vocab": 64}
    config = HookedTransformerConfig(**sizes, act_fn="gelu", device="cpu", seed=0)
    model = HookedTransformer(config, tokenizer=AutoTokenizer.from_pretrained(tmp_path / "tokenizer"))
    monkeypatch.setattr(HookedTransformer, "from_pretrained_no_processing", lambda name, **_: model)
    text = Dataset.from_dict({"text": tiny_text(400)})
    made = core.ActivationsStore.from_sae
    monkeypatch.setattr(
        core.ActivationsStore, "from_sae", lambda model, sae, **rest: made(model, sae, **{**rest, "dataset": text})
    )
    folder = save_sae(rational("topk"), tmp_path / "sae")
    sae = adapted(folder, model="tiny", hook="blocks.1.hook_resid_post")
    asked = {"context_size": LENGTH, "output_folder": str(tmp_path / "results"), "device": "cpu"}
    asked |= {"compute_featurewise_density_statistics": True, "compute_featurewise_weight_based_metrics": True}
    found = core.multiple_evals([("mine", sae)], 2, 2, eval_batch_size_prompts=4, **asked)
    assert len(found) == 1, "it catches every error, and leaves the SAE out"
    (path,) = (tmp_path / "results").glob("*.json")
    tree = json.loads(path.read_text())
    assert tree["eval_result_metrics"]["sparsity"]["l0"] == rational("topk").k
    assert -1 < tree["eval_result_metrics"]["reconstruction_quality"]["cossim"] < 1, "a random SAE, of either sign"
    assert len(tree["eval_result_details"]) == 24


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
def test_an_upgrade_reports_them_of_teacher_control_and_upgraded(
    sae_bench: Any, files: dict[str, str], tmp_path: Path
) -> None:
    words = [word for pair in files.items() for word in pair]
    result = CliRunner().invoke(main, ["upgrade", *words, "--out", str(tmp_path / "run"), "--saebench"])
    assert result.exit_code in (0, 3), result.output
    columns = json.loads((tmp_path / "run" / "report.json").read_text())["columns"]
    assert {name for name, column in columns.items() if "saebench_l0" in column} == {"teacher", "control", "upgraded"}
    assert columns["teacher"]["saebench_l0"]["value"] == pytest.approx(8)
    assert "SAEBench, on" in columns["upgraded"]["saebench_kl_div_score"]["definition"]
    assert "saebench kl div score" in (tmp_path / "run" / "report.html").read_text()
