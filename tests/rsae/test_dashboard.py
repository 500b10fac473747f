"""sae-dashboard on rational SAEs: what it reads of them, the page that it writes, and what is said without it."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from rsae.activations.ratio import IDENTITY, RationalActivation
from rsae.commands.dashboard import numbers
from rsae.commands.main import main
from rsae.dashboard import dashboard
from rsae.formats import load_sae, save_sae
from rsae.hosts.places import hook_point
from rsae.storage.writing import write_json
from tests.rsae.material.reports import report
from tests.rsae.material.saes import random_sae
from tests.rsae.material.tiny import tiny_text, tiny_tokenizer

HOOK = "blocks.1.hook_resid_post"


@pytest.mark.parametrize("module", ["model.layers.7", "layers.7", "transformer.h.7", "gpt_neox.layers.7"])
def test_layers_have_their_names_of_transformer_lens(module: str) -> None:
    assert hook_point(module) == "blocks.7.hook_resid_post"
    assert hook_point("blocks.7.hook_resid_pre") == "blocks.7.hook_resid_pre"
    for other in ("model.layers.7.mlp", "lm_head", "", "7"):
        with pytest.raises(ValueError, match="names in TransformerLens"):
            hook_point(other)


def test_latents_are_numbers_and_ranges() -> None:
    assert numbers("3, 8,16-18") == [3, 8, 16, 17, 18]
    for wrong in ("a", "3-", "-3", "", "3,,4"):
        with pytest.raises(ValueError, match="numbers and ranges"):
            numbers(wrong)


def test_without_sae_dashboard_it_says_where_to_read_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sae_dashboard", "sae_lens"):
        monkeypatch.setitem(sys.modules, name, None)
    question = {**report().question, "hidden_states": {"hook": "model.layers.1", "source": "gpt2", "text": "t.json"}}
    write_json(tmp_path / "report.json", replace(report(), question=question).to_json())
    (tmp_path / "t.json").write_text('["some text", "more text"]')
    result = CliRunner().invoke(main, ["dashboard", str(tmp_path), "--text", str(tmp_path / "t.json")])
    assert result.exit_code == 2
    assert "need sae-dashboard, in an environment of its own: docs/upgrading/saelens.md" in result.stderr


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tiny model of TransformerLens with SAELens's hooks."""
    pytest.importorskip("sae_dashboard", exc_type=ImportError)
    from sae_lens import HookedSAETransformer
    from transformer_lens import HookedTransformerConfig
    from transformers import AutoTokenizer

    torch.manual_seed(0)
    config = HookedTransformerConfig(
        n_layers=3, d_model=8, n_ctx=64, d_head=4, n_heads=2, d_mlp=16, act_fn="gelu", d_vocab=64, device="cpu"
    )
    tokenizer, folder = tiny_tokenizer(), tmp_path_factory.mktemp("tokenizer")
    tokenizer.pad_token = tokenizer.eos_token = "<s>"
    tokenizer.save_pretrained(folder)
    # TransformerLens reads a tokenizer once more from where it came from.
    return HookedSAETransformer(config, tokenizer=AutoTokenizer.from_pretrained(folder))


@pytest.fixture(scope="module")
def tokens(host: Any) -> torch.Tensor:
    return torch.tensor([host.tokenizer(text)["input_ids"][:32] for text in tiny_text(6)])


FAMILIES = {
    "topk": {},
    "topk by norm": {"rescale_by_decoder_norm": True},
    "jumprelu": {},
    "relu": {},
}


def rational(family: str, inputs: tuple[str, ...] = ("ratio", "norm")) -> Any:
    sae = random_sae(family.split()[0], activation=RationalActivation(IDENTITY, inputs), **FAMILIES[family])
    with torch.no_grad():
        for parameter in sae.activation.parameters():
            parameter.add_(0.05 * torch.arange(1.0, parameter.numel() + 1).cos())
    return sae


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
def test_its_runner_sees_the_codes_and_writes_a_page(host: Any, tokens: Any, tmp_path: Path, family: str) -> None:
    from sae_dashboard.feature_data_generator import FeatureDataGenerator
    from sae_dashboard.sae_vis_data import SaeVisConfig
    from sae_dashboard.transformer_lens_wrapper import ActivationConfig, TransformerLensWrapper
    from sae_lens import SAE

    import rsae.saelens  # noqa: F401

    save_sae(rational(family), tmp_path / "sae")
    _, cache = host.run_with_cache(tokens)
    with torch.no_grad():
        codes = load_sae(tmp_path / "sae").encode(cache[HOOK])
    shown = (codes != 0).sum((0, 1)).topk(2).indices.tolist()
    theirs = SAE.load_from_disk(str(tmp_path / "sae"))
    asked = SaeVisConfig(hook_point=HOOK, features=shown, device="cpu", minibatch_size_tokens=4)
    wrapped = TransformerLensWrapper(host, ActivationConfig(primary_hook_point=HOOK, auxiliary_hook_points=[]))
    seen = FeatureDataGenerator(cfg=asked, model=wrapped, encoder=theirs, tokens=tokens).get_feature_data(shown)[0]
    torch.testing.assert_close(seen, codes[..., shown], rtol=1e-4, atol=1e-5)
    assert bool((seen != 0).any())
    page = dashboard(tmp_path / "sae", host, tokens, HOOK, shown, tmp_path / "page.html")
    assert all(f'"{latent}": ' in page.read_text() for latent in shown)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".html"] == ["page.html"]
    with pytest.raises(ValueError, match="from 0 to 23"):
        dashboard(tmp_path / "sae", host, tokens, HOOK, [24], tmp_path / "page.html")


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
def test_the_command_makes_a_page_of_a_run(host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    import sae_lens

    monkeypatch.setattr(
        sae_lens, "HookedSAETransformer", SimpleNamespace(from_pretrained_no_processing=lambda name, device: host)
    )
    save_sae(rational("topk"), tmp_path / "sae")
    (tmp_path / "text.json").write_text(json.dumps(tiny_text(6)))
    states = {"hook": "model.layers.1", "source": "tiny", "text": str(tmp_path / "text.json"), "context_length": 32}
    given = replace(report(), question={**report().question, "hidden_states": {**states, "prepend_bos": True}})
    write_json(tmp_path / "report.json", given.to_json())
    result = CliRunner().invoke(main, ["dashboard", str(tmp_path), "--latents", "0-2"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "dashboard.html").stat().st_size > 10_000


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", ["topk by norm", "jumprelu"])
def test_its_neuronpedia_runner_writes_what_is_uploaded(
    host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    """From a local folder, after `import rsae.saelens`: files of features with their activations and logits."""
    import json

    from sae_dashboard.neuronpedia import neuronpedia_runner

    import rsae.saelens  # noqa: F401

    sae = rational(family, ("ratio",))  # it brings decoder rows to norm 1, which a curve of the norm share would notice
    sae.metadata = {"model": "tiny", "hook": HOOK, "context_length": 16, "prepend_bos": True}
    save_sae(sae, tmp_path / "sae")
    (tmp_path / "text").mkdir()
    lines = [json.dumps({"text": text}) for text in tiny_text(64)]
    (tmp_path / "text" / "train.jsonl").write_text("\n".join(lines))
    loaded = SimpleNamespace(from_pretrained=lambda **_: host)
    monkeypatch.setattr(neuronpedia_runner, "HookedSAETransformer", loaded)
    monkeypatch.chdir(tmp_path)  # it keeps a cache there
    asked = neuronpedia_runner.NeuronpediaRunnerConfig(
        sae_set="ours",
        sae_path=str(tmp_path / "sae"),
        outputs_dir=str(tmp_path / "out"),
        from_local_sae=True,
        huggingface_dataset_path=str(tmp_path / "text"),
        n_prompts_total=32,
        n_tokens_in_prompt=16,
        n_prompts_in_forward_pass=8,
        n_features_at_a_time=12,
    )
    neuronpedia_runner.NeuronpediaRunner(asked).run()
    written = [json.loads(path.read_text()) for path in sorted((tmp_path / "out").rglob("batch-*.json"))]
    features = [feature for batch in written for feature in batch["features"]]
    assert len(written) == 2
    assert {int(feature["feature_index"]) for feature in features} <= set(range(24))
    assert any(feature["activations"] for feature in features)
