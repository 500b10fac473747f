"""What SAELens's own runners leave behind, read here: hidden states, finished SAEs and checkpoints."""

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

import rsae
from rsae.data.reading import Reading
from rsae.data.sources import hidden_states
from rsae.formats import load_sae
from tests.rsae.material.tiny import tiny_text, tiny_tokenizer

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
HOOK, LENGTH, WIDTH, LATENTS = "blocks.1.hook_resid_post", 16, 16, 64
ALL = Reading(outlier_medians=None)


@pytest.fixture(scope="module")
def sae_lens() -> Any:
    return pytest.importorskip("sae_lens", exc_type=ImportError)


@pytest.fixture(scope="module")
def host(sae_lens: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tiny random model of TransformerLens."""
    from transformer_lens import HookedTransformer, HookedTransformerConfig
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("tokenizer")  # TransformerLens asks a tokenizer where it was loaded from
    tokenizer = tiny_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token = "<s>"
    tokenizer.save_pretrained(folder)
    sizes = {"n_layers": 3, "d_model": WIDTH, "n_ctx": 64, "d_head": 8, "n_heads": 2, "d_vocab": 64}
    config = HookedTransformerConfig(**sizes, act_fn="gelu", device="cpu", seed=0)
    return HookedTransformer(config, tokenizer=AutoTokenizer.from_pretrained(folder))


def texts(documents: int) -> Any:
    return importlib.import_module("datasets").Dataset.from_dict({"text": tiny_text(documents)})


def cached(sae_lens: Any, host: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Any:
    """The data set that its `CacheActivationsRunner` saves."""
    module = importlib.import_module("sae_lens.cache_activations_runner")
    monkeypatch.setattr(module, "load_model", lambda **_: host)
    asked = sae_lens.CacheActivationsRunnerConfig(
        dataset_path="local",
        model_name="tiny",
        model_batch_size=2,
        hook_name=HOOK,
        d_in=WIDTH,
        training_tokens=40 * LENGTH,
        context_size=LENGTH,
        new_cached_activations_path=str(folder),
        buffer_size_gb=1e-5,  # several shards
        device="cpu",
        **{"shuffle": False, **options},
    )
    return sae_lens.CacheActivationsRunner(asked, override_dataset=texts(60)).run()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_its_cache_is_read_as_its_model_computes_it(sae_lens, host, tmp_path, monkeypatch, dtype) -> None:
    made = cached(sae_lens, host, tmp_path / "cache", monkeypatch, dtype=dtype)
    shards = list((tmp_path / "cache").glob("data-*.arrow"))
    assert len(shards) > 1
    tokens = torch.tensor(made["token_ids"])
    assert len(tokens) >= 40
    _, cache = host.run_with_cache(tokens)
    for hook in (None, HOOK, "blocks.2.hook_resid_pre", "model.layers.1"):
        found = hidden_states(tmp_path / "cache", hook=hook, held_out=10, reading=ALL)
        expected = cache[HOOK][:, 1:]
        near = {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-3, "atol": 1e-3}
        assert found.train.dtype == getattr(torch, dtype), "as it is stored"
        torch.testing.assert_close(found.train.float(), expected[:-10].flatten(0, 1), **near)
        torch.testing.assert_close(found.held_out, expected[-10:].flatten(0, 1), **near)
    assert found.question["hook"] == HOOK
    assert found.question["context_length"] == LENGTH
    with pytest.raises(ValueError, match=r"no column for the hook 'blocks.2.hook_resid_post'"):
        hidden_states(tmp_path / "cache", hook="blocks.2.hook_resid_post")


def test_its_cache_of_some_positions(sae_lens, host, tmp_path, monkeypatch) -> None:
    """What it has left out of every context itself is no context of ours that is too long."""
    made = cached(sae_lens, host, tmp_path / "cache", monkeypatch, seqpos_slice=(2, -2))
    found = hidden_states(tmp_path / "cache", reading=ALL)
    assert found.question["context_length"] == LENGTH - 4
    assert len(found.train) + len(found.held_out) == len(made) * (LENGTH - 5)


SAES = {
    "standard": ("StandardTrainingSAEConfig", {"l1_coefficient": 0.1}),
    "topk": ("TopKTrainingSAEConfig", {"k": 8}),
    "jumprelu": ("JumpReLUTrainingSAEConfig", {"l0_coefficient": 0.1}),
    "batchtopk": ("BatchTopKTrainingSAEConfig", {"k": 8}),
    "matryoshka_batchtopk": ("MatryoshkaBatchTopKTrainingSAEConfig", {"k": 8, "matryoshka_widths": [16, LATENTS]}),
}


def trained(sae_lens: Any, host: Any, folder: Path, kind: str, **options: Any) -> Any:
    """The SAE of its `LanguageModelSAETrainingRunner`, which writes to a folder and its checkpoints beside it."""
    name, own = SAES[kind]
    sae = getattr(sae_lens, name)(d_in=WIDTH, d_sae=LATENTS, **own)
    asked = sae_lens.LanguageModelSAERunnerConfig(
        sae=sae,
        model_name="tiny",
        hook_name=HOOK,
        dataset_path="local",
        context_size=LENGTH,
        training_tokens=4096,
        train_batch_size_tokens=128,
        store_batch_size_prompts=8,
        n_batches_in_buffer=16,
        lr=1e-2,
        n_checkpoints=1,
        checkpoint_path=str(folder / "checkpoints"),
        output_path=str(folder / "sae"),
        n_eval_batches=1,
        eval_batch_size_prompts=4,
        device="cpu",
        verbose=False,
        logger=sae_lens.LoggingConfig(log_to_wandb=False),
        **options,
    )
    runner = sae_lens.LanguageModelSAETrainingRunner(asked, override_dataset=texts(400), override_model=host)
    return runner.run()


@pytest.mark.parametrize("kind", SAES)
def test_its_trained_sae_and_checkpoint_compute_the_same_here(sae_lens, host, tmp_path, kind) -> None:
    trained(sae_lens, host, tmp_path, kind)
    theirs = sae_lens.SAE.load_from_disk(tmp_path / "sae")
    ours = load_sae(tmp_path / "sae")
    _, cache = host.run_with_cache(torch.arange(60).reshape(4, 15))
    x = cache[HOOK].flatten(0, 1)
    with torch.no_grad():
        codes = theirs.encode(x)
        torch.testing.assert_close(ours(x).codes, codes, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(ours(x).reconstruction, theirs.decode(codes), rtol=1e-5, atol=1e-5)
    said = {"hook": HOOK, "model": "tiny", "context_length": LENGTH, "prepend_bos": True}
    assert said.items() <= ours.metadata.items()
    (checkpoint,) = (path.parent for path in (tmp_path / "checkpoints").rglob("cfg.json"))
    live = sae_lens.TrainingSAE.load_from_disk(checkpoint)
    read = load_sae(checkpoint)
    assert read.family == ours.family
    assert said.items() <= read.metadata.items()
    if kind not in ("batchtopk", "matryoshka_batchtopk"):  # there a whole batch decides while training
        with torch.no_grad():
            torch.testing.assert_close(read.encode(x), live.encode(x), rtol=1e-5, atol=1e-5)
    if kind == "matryoshka_batchtopk":
        assert tuple(read.prefixes) == tuple(ours.prefixes) == (16, LATENTS)


def test_what_it_trained_is_upgraded_where_it_says(sae_lens, host, tmp_path) -> None:
    trained(sae_lens, host, tmp_path, "topk")
    sae = load_sae(tmp_path / "sae")
    states = rsae.hidden_states_of(sae, tiny_text(100, seed=1), model=host, progress=False)
    assert states.question["hook"] == HOOK
    assert states.question["context_length"] == LENGTH
    done = rsae.upgrade(sae, states, steps=2, progress=False, settings=rsae.Settings(accept_mismatch=True))
    assert done.report.columns["teacher"]["l0"].value == pytest.approx(8, abs=0.5)


def test_several_saes_of_one_pass(sae_lens, host, tmp_path) -> None:
    """`MultiSAETrainingRunner`: a folder for each of them."""
    saes = {"a": sae_lens.TopKTrainingSAEConfig(d_in=WIDTH, d_sae=LATENTS, k=8)}
    saes["b"] = sae_lens.StandardTrainingSAEConfig(d_in=WIDTH, d_sae=LATENTS, l1_coefficient=0.1)
    asked = sae_lens.MultiSAETrainingRunnerConfig(
        saes=saes,
        hook_names={"a": HOOK, "b": "blocks.0.hook_mlp_out"},
        model_name="tiny",
        dataset_path="local",
        context_size=LENGTH,
        training_tokens=1024,
        train_batch_size_tokens=128,
        store_batch_size_prompts=8,
        n_batches_in_buffer=16,
        output_path=str(tmp_path / "saes"),
        checkpoint_path=None,
        device="cpu",
        logger=sae_lens.LoggingConfig(log_to_wandb=False),
    )
    sae_lens.MultiSAETrainingRunner(asked, override_dataset=texts(200), override_model=host).run()
    for name, hook in asked.hook_names.items():
        (folder,) = (path.parent for path in (tmp_path / "saes" / name).rglob("cfg.json"))
        ours, theirs = load_sae(folder), sae_lens.SAE.load_from_disk(folder)
        x = torch.randn(20, WIDTH, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            torch.testing.assert_close(ours.encode(x), theirs.encode(x), rtol=1e-5, atol=1e-5)
        assert ours.metadata["hook"] == hook
