"""What the trainers of dictionary_learning and sparsify leave behind, read here."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from rsae.data.reading import Reading
from rsae.data.sources import hidden_states
from rsae.formats import load_sae
from tests.rsae.material.tiny import WIDTH, tiny_model, tiny_text, tiny_tokenizer

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
LATENTS, K, STEPS, LENGTH = 64, 6, 40, 16
HOOK = "transformer.h.1"


@pytest.fixture(scope="module")
def states() -> torch.Tensor:
    """Hidden states of a tiny GPT-2."""
    host = tiny_model("gpt2"), tiny_tokenizer()
    return hidden_states(host, tiny_text(400), HOOK, context_length=LENGTH, progress=False).train


TRAINERS: dict[str, tuple[str, dict[str, Any]]] = {
    "standard.StandardTrainer": ("relu", {"l1_penalty": 0.01, "sparsity_warmup_steps": 10}),
    "standard.StandardTrainerAprilUpdate": ("relu", {"l1_penalty": 0.01, "sparsity_warmup_steps": 10}),
    "p_anneal.PAnnealTrainer": (
        "relu",
        {"anneal_start": 20, "sparsity_warmup_steps": 10, "n_sparsity_updates": 5, "sparsity_function": "Lp^p"},
    ),
    "gdm.GatedSAETrainer": ("jumprelu", {"l1_penalty": 0.01, "sparsity_warmup_steps": 10}),
    "top_k.TopKTrainer": ("topk", {"k": K, "threshold_start_step": 10}),
    "batch_top_k.BatchTopKTrainer": ("jumprelu", {"k": K, "threshold_start_step": 10}),
    "matryoshka_batch_top_k.MatryoshkaBatchTopKTrainer": (
        "jumprelu",
        {"k": K, "group_fractions": [0.25, 0.75], "threshold_start_step": 10},
    ),
    "jumprelu.JumpReluTrainer": ("jumprelu", {"target_l0": 6.0, "sparsity_warmup_steps": 10}),
}


@pytest.mark.parametrize("scaled", [False, True], ids=["", "normalised"])
@pytest.mark.parametrize("name", TRAINERS)
def test_what_train_sae_saves(states: torch.Tensor, tmp_path: Path, name: str, scaled: bool) -> None:
    library = pytest.importorskip("dictionary_learning", exc_type=ImportError)
    assert library is not None
    training = importlib.import_module("dictionary_learning.training")
    utils = importlib.import_module("dictionary_learning.utils")
    module, cls = name.split(".")
    family, own = TRAINERS[name]
    about = {"activation_dim": WIDTH, "dict_size": LATENTS, "layer": 1, "lm_name": "gpt2", "warmup_steps": 5}
    config = {
        "trainer": getattr(importlib.import_module(f"dictionary_learning.trainers.{module}"), cls),
        **about,
        **own,
        "steps": STEPS,
        "lr": 1e-2,
        "device": "cpu",
    }
    training.trainSAE(
        data=[states[i::STEPS].clone() for i in range(STEPS)] * 4,
        trainer_configs=[config],
        steps=STEPS,
        save_steps=[STEPS // 2],
        save_dir=str(tmp_path),
        normalize_activations=scaled,
        device="cpu",
    )
    theirs, _ = utils.load_dictionary(str(tmp_path / "trainer_0"), "cpu")
    ours = load_sae(tmp_path / "trainer_0")
    assert ours.family == family
    assert {"hook": "blocks.1.hook_resid_post", "model": "gpt2"}.items() <= ours.metadata.items()
    x = states[:256]
    with torch.no_grad():
        codes = theirs.encode(x)
        torch.testing.assert_close(ours(x).codes, codes, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(ours(x).reconstruction, theirs.decode(codes), rtol=1e-4, atol=1e-5)
    halfway = load_sae(tmp_path / "trainer_0" / "checkpoints" / f"ae_{STEPS // 2}.pt")
    assert halfway.family == family
    if "matryoshka" in name:
        assert tuple(ours.prefixes) == (16, LATENTS)


def test_its_buffer_of_hidden_states(tmp_path: Path) -> None:
    """`ActivationBuffer` reads with nnsight; what it holds is saved as a tensor, and its settings beside the SAE."""
    module = pytest.importorskip("dictionary_learning.buffer", exc_type=ImportError)
    training = importlib.import_module("dictionary_learning.training")
    top_k = importlib.import_module("dictionary_learning.trainers.top_k")
    tokenizer = tiny_tokenizer()
    tokenizer.pad_token, tokenizer.padding_side = "<s>", "right"
    host = tiny_model("gpt2")
    model = importlib.import_module("nnsight").LanguageModel(host, tokenizer=tokenizer)
    buffer = module.ActivationBuffer(
        iter(tiny_text(2000)),
        model,
        model.transformer.h[1],
        d_submodule=WIDTH,
        n_ctxs=40,
        ctx_len=LENGTH,
        refresh_batch_size=8,
        out_batch_size=64,
    )
    buffer.refresh()
    torch.save(buffer.activations, tmp_path / "states.pt")
    found = hidden_states(tmp_path / "states.pt", held_out=0.1)
    plain = Reading(outlier_medians=None, prepend_bos=False)
    expected = hidden_states((host, tokenizer), tiny_text(40), HOOK, context_length=LENGTH, reading=plain, held_out=0)
    rows = found.train[: LENGTH * 8].reshape(8, LENGTH, WIDTH)[:, 1:]  # ours drop the first position of a context
    theirs = expected.train.reshape(-1, LENGTH - 1, WIDTH)[: 2 * 8 : 2]  # 40 words are two contexts, theirs the first
    torch.testing.assert_close(rows, theirs, rtol=1e-4, atol=1e-5)
    config = {"trainer": top_k.TopKTrainer, "activation_dim": WIDTH, "dict_size": LATENTS, "k": K, "layer": 1}
    config |= {"lm_name": "gpt2", "steps": 4, "warmup_steps": 1, "device": "cpu", "lr": 1e-3}
    training.trainSAE(data=buffer, trainer_configs=[config], steps=4, save_dir=str(tmp_path / "run"), device="cpu")
    assert load_sae(tmp_path / "run" / "trainer_0").metadata["context_length"] == LENGTH


@pytest.mark.parametrize("activation", ["topk", "groupmax"])
@pytest.mark.parametrize("transcode", [False, True], ids=["sae", "transcoder"])
def test_what_sparsifys_trainer_saves(tmp_path: Path, activation: str, transcode: bool) -> None:
    library = pytest.importorskip("sparsify", exc_type=ImportError)
    datasets = importlib.import_module("datasets")
    settings = importlib.import_module("sparsify.config")
    tokens = torch.randint(62, (64, LENGTH), generator=torch.Generator().manual_seed(0))
    rows = datasets.Dataset.from_dict({"input_ids": tokens}).with_format("torch")
    asked = settings.TrainConfig(
        settings.SparseCoderConfig(activation=activation, num_latents=LATENTS, k=K + 2, transcode=transcode),
        batch_size=8,
        hookpoints=["h.1.mlp", "h.2.mlp"] if transcode else ["h.1", "h.2"],
        save_dir=str(tmp_path),
        run_name="run",
        log_to_wandb=False,
    )
    host = tiny_model("gpt2")
    trainer = library.Trainer(asked, rows, host)
    trainer.fit()
    assert json.loads((tmp_path / "run" / "config.json").read_text())["batch_size"] == 8
    x = torch.randn(64, WIDTH, generator=torch.Generator().manual_seed(1))
    for hook in asked.hookpoints:
        theirs, ours = library.SparseCoder.load_from_disk(tmp_path / "run" / hook), load_sae(tmp_path / "run" / hook)
        with torch.no_grad():
            torch.testing.assert_close(ours(x).reconstruction, theirs(x).sae_out, rtol=1e-4, atol=1e-5)
        assert ours.family == activation
        assert ours.metadata["hook"] == (f"{hook}.input -> {hook}" if transcode else hook)
