"""Tiny random language models of the architectures that published sparse autoencoders are made for."""

from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

LAYERS, WIDTH = 4, 32
WORDS = ["<s>", "<unk>", *(f"w{i}" for i in range(62))]

CONFIGS: dict[str, Any] = {
    "gpt2": GPT2Config(vocab_size=64, n_layer=LAYERS, n_embd=WIDTH, n_head=2, n_positions=64),
    "gpt_neox": GPTNeoXConfig(
        vocab_size=64,
        num_hidden_layers=LAYERS,
        hidden_size=WIDTH,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=64,
    ),
    "gemma2": Gemma2Config(
        vocab_size=64,
        num_hidden_layers=LAYERS,
        hidden_size=WIDTH,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        intermediate_size=48,
        max_position_embeddings=64,
        sliding_window=16,
    ),
    "llama": LlamaConfig(
        vocab_size=64,
        num_hidden_layers=LAYERS,
        hidden_size=WIDTH,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=64,
    ),
}
LAYER_NAMES = {
    "gpt2": "transformer.h",
    "gpt_neox": "gpt_neox.layers",
    "gemma2": "model.layers",
    "llama": "model.layers",
}


def tiny_model(architecture: str) -> Any:
    """A random model, the same every time."""
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(CONFIGS[architecture]).eval()


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word ``w0`` to ``w61``; it adds no beginning-of-sequence token by itself."""
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>")


def tiny_text(documents: int, length: int = 40, seed: int = 0) -> list[str]:
    """Documents of ``length`` random words each."""
    words = torch.randint(62, (documents, length), generator=torch.Generator().manual_seed(seed))
    return [" ".join(f"w{i}" for i in row) for row in words.tolist()]
