"""SAE files in the layouts of the libraries, with the equations of those libraries."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.rsae.material.saes import random_weights

X = torch.randn(50, 8, generator=torch.Generator().manual_seed(1))
W = random_weights()
E, B, D, C = W["W_enc"], W["b_enc"], W["W_dec"], W["b_dec"]
NORMS = D.norm(dim=1)
GENERATOR = torch.Generator().manual_seed(2)
THRESHOLD = torch.rand(24, generator=GENERATOR)
R_MAG, GATE, MAG = (0.4 * torch.randn(24, generator=GENERATOR) for _ in range(3))


def relu(x):
    return x.clamp_min(0.0)


def top(h, k):
    values, places = h.topk(k, dim=-1)
    return torch.zeros_like(h).scatter(-1, places, relu(values))


def groupmax(h, k):
    values, places = h.unflatten(-1, (k, -1)).max(dim=-1)
    return torch.zeros_like(h).scatter(-1, places + torch.arange(0, h.shape[-1], h.shape[-1] // k), values)


def gated(x):
    pre = x @ E
    return (pre + GATE > 0) * relu(R_MAG.exp() * pre + MAG)


def layer_norm(x):
    centred = x - x.mean(-1, keepdim=True)
    return centred / (x.std(-1, keepdim=True) + 1e-5), x.mean(-1, keepdim=True), x.std(-1, keepdim=True)


def sae_lens(config, tensors):
    def write(folder: Path):
        (folder / "cfg.json").write_text(json.dumps(config), encoding="utf-8")
        save_file({name: value.contiguous() for name, value in tensors.items()}, folder / "sae_weights.safetensors")

    return write


def dictionary(state, dict_class=None, **trainer):
    def write(folder: Path):
        torch.save(state, folder / "ae.pt")
        if dict_class:
            (folder / "config.json").write_text(json.dumps({"trainer": {"dict_class": dict_class, **trainer}}))

    return write


def sparsify(**config):
    def write(folder: Path):
        (folder / "cfg.json").write_text(json.dumps({"d_in": 8, "k": 4, **config}))
        linear = {"encoder.weight": E.T.contiguous(), "encoder.bias": B}
        save_file(linear | {"W_dec": D, "b_dec": C}, folder / "sae.safetensors")

    return write


def openai(activation, tied=False, **details):
    def write(folder: Path):
        state = {"pre_bias": C, "latent_bias": B, "encoder.weight": E.T, "stats_last_nonzero": torch.zeros(24).long()}
        decoder = {"decoder.linear.weight": E.T} if tied else {"decoder.weight": D.T}
        torch.save(state | decoder | {"activation": activation, "activation_state_dict": details}, folder / "0.pt")

    return write


def llama_scope(**config):
    """Keys and places as in fnlp/Llama3_1-8B-Base-LXR-8x."""
    hook = "blocks.7.hook_resid_post"
    written = {
        "hook_point_in": hook,
        "hook_point_out": hook,
        "d_model": 8,
        "d_sae": 24,
        "top_k": 4,
        "act_fn": "jumprelu",
    }
    written |= {"jump_relu_threshold": 0.35, "use_decoder_bias": True, "apply_decoder_bias_to_pre_encoder": False}
    written |= {"norm_activation": "dataset-wise", "dataset_average_activation_norm": {"in": 2.0, "out": 2.0}}
    written |= {"sparsity_include_decoder_norm": True, "use_glu_encoder": False, **config}

    def write(folder: Path):
        (folder / "checkpoints").mkdir()
        (folder / "hyperparams.json").write_text(json.dumps(written))
        linear = {"encoder.weight": E.T, "encoder.bias": B, "decoder.weight": D.T, "decoder.bias": C}
        tensors = {name: value.contiguous() for name, value in linear.items()}
        save_file(tensors, folder / "checkpoints/final.safetensors")

    return write


def torch_file(name, state, **config):
    def write(folder: Path):
        (folder / name).parent.mkdir(exist_ok=True)
        torch.save(state, folder / name)
        if config:
            (folder / name).with_name(f"{Path(name).stem}_cfg.json").write_text(json.dumps(config))

    return write


def scaled(gate):
    """Llama Scope in its own units: inputs times sqrt(8) / 2, codes weighed with the norms of decoder rows."""

    def encode(x):
        f = 8**0.5 / 2
        return gate((f * x @ E + B) * NORMS, f) / NORMS / f

    return encode


SIX = {"d_in": 8, "d_sae": 24, "dtype": "float32", "metadata": {"sae_lens_version": "6.54.12"}}
LINEAR = {"encoder.weight": E.T, "encoder.bias": B, "decoder.weight": D.T}
COUNTS = {"k": torch.tensor(4, dtype=torch.int32), "threshold": torch.tensor(0.7)}
GATED = {"b_gate": GATE, "b_mag": MAG, "r_mag": R_MAG, "W_enc": E, "W_dec": D, "b_dec": C}

# name: (writer, codes of x, reconstruction of (x, codes))
CASES = {
    "sae-lens standard": (
        sae_lens(SIX | {"architecture": "standard"}, W),
        lambda x: relu((x - C) @ E + B),
        lambda x, z: z @ D + C,
    ),
    "sae-lens without b_dec": (
        sae_lens(SIX | {"architecture": "standard", "apply_b_dec_to_input": False}, W),
        lambda x: relu(x @ E + B),
        lambda x, z: z @ D + C,
    ),
    "sae-lens jumprelu": (
        sae_lens(SIX | {"architecture": "jumprelu"}, W | {"threshold": THRESHOLD - 0.2}),
        lambda x: relu((x - C) @ E + B) * ((x - C) @ E + B > THRESHOLD - 0.2),
        lambda x, z: z @ D + C,
    ),
    "sae-lens log_threshold": (
        sae_lens(SIX | {"architecture": "jumprelu"}, W | {"log_threshold": THRESHOLD.log()}),
        lambda x: relu((x - C) @ E + B) * ((x - C) @ E + B > THRESHOLD),
        lambda x, z: z @ D + C,
    ),
    "sae-lens topk": (
        sae_lens(SIX | {"architecture": "topk", "k": 4}, W),
        lambda x: top((x - C) @ E + B, 4),
        lambda x, z: z @ D + C,
    ),
    "sae-lens topk rescaled": (
        sae_lens(SIX | {"architecture": "topk", "k": 4, "rescale_acts_by_decoder_norm": True}, W),
        lambda x: top(((x - C) @ E + B) * NORMS, 4),
        lambda x, z: (z / NORMS) @ D + C,
    ),
    "sae-lens batchtopk checkpoint": (
        sae_lens(
            SIX | {"architecture": "batchtopk", "k": 4, "rescale_acts_by_decoder_norm": True},
            W | {"topk_threshold": torch.tensor(0.7, dtype=torch.float64)},
        ),
        lambda x: relu(((x - C) @ E + B) * NORMS) * (((x - C) @ E + B) * NORMS > 0.7),
        lambda x, z: (z / NORMS) @ D + C,
    ),
    "sae-lens gated": (
        sae_lens(SIX | {"architecture": "gated"}, GATED),
        lambda x: gated(x - C),
        lambda x, z: z @ D + C,
    ),
    "sae-lens layer_norm": (
        sae_lens(SIX | {"architecture": "standard", "normalize_activations": "layer_norm"}, W),
        lambda x: relu((layer_norm(x)[0] - C) @ E + B),
        lambda x, z: (z @ D + C) * layer_norm(x)[2] + layer_norm(x)[1],
    ),
    "sae-lens constant norm": (
        sae_lens(SIX | {"architecture": "standard", "normalize_activations": "constant_norm_rescale"}, W),
        lambda x: relu((x * 8**0.5 / x.norm(dim=-1, keepdim=True) - C) @ E + B),
        lambda x, z: (z @ D + C) * x.norm(dim=-1, keepdim=True) / 8**0.5,
    ),
    "sae-lens scaled outside": (
        sae_lens(SIX | {"architecture": "standard", "normalize_activations": "expected_average_only_in"}, W),
        lambda x: relu((x - C) @ E + B),
        lambda x, z: z @ D + C,
    ),
    "sae-lens 5 flat": (
        sae_lens({"d_in": 8, "d_sae": 24, "architecture": "standard", "activation_fn_str": "relu"}, W),
        lambda x: relu((x - C) @ E + B),
        lambda x, z: z @ D + C,
    ),
    "sae-lens 3 topk": (
        sae_lens({"d_in": 8, "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 4}}, W),
        lambda x: top((x - C) @ E + B, 4),
        lambda x, z: z @ D + C,
    ),
    "sae-lens 3 scaling factor": (
        sae_lens({"finetuning_scaling_factor": True, "normalize_activations": False}, W | {"scaling_factor": NORMS}),
        lambda x: relu((x - C) @ E + B),
        lambda x, z: (z * NORMS) @ D + C,
    ),
    "dictionary_learning relu": (
        dictionary(LINEAR | {"bias": C}, "AutoEncoder"),
        lambda x: relu((x - C) @ E + B) * NORMS,
        lambda x, z: (z / NORMS) @ D + C,
    ),
    "dictionary_learning April relu": (
        dictionary(LINEAR | {"decoder.bias": C}, "AutoEncoderNew"),
        lambda x: relu(x @ E + B),
        lambda x, z: z @ D + C,
    ),
    "dictionary_learning topk": (
        dictionary(LINEAR | {"b_dec": C} | COUNTS, "AutoEncoderTopK", k=4, activation_dim=8, dict_size=24),
        lambda x: top((x - C) @ E + B, 4),
        lambda x, z: z @ D + C,
    ),
    "dictionary_learning batchtopk": (
        dictionary(LINEAR | {"b_dec": C} | COUNTS, "BatchTopKSAE", k=4),
        lambda x: relu((x - C) @ E + B) * ((x - C) @ E + B > 0.7),
        lambda x, z: z @ D + C,
    ),
    "dictionary_learning matryoshka": (
        dictionary(W | COUNTS | {"group_sizes": torch.tensor([8, 16])}, "MatryoshkaBatchTopKSAE"),
        lambda x: relu((x - C) @ E + B) * ((x - C) @ E + B > 0.7),
        lambda x, z: z @ D + C,
    ),
    "dictionary_learning jumprelu": (
        dictionary(W | {"threshold": THRESHOLD}, "JumpReluAutoEncoder"),
        lambda x: relu(x @ E + B) * (x @ E + B > THRESHOLD),
        lambda x, z: z @ D + C,
    ),
    "dictionary_learning gated": (
        dictionary(
            {
                "encoder.weight": E.T,
                "decoder.weight": D.T,
                "decoder_bias": C,
                "gate_bias": GATE,
                "mag_bias": MAG,
                "r_mag": R_MAG,
            },
            "GatedAutoEncoder",
        ),
        lambda x: gated(x - C),
        lambda x, z: z @ D + C,
    ),
    "dictionary_learning wrapped": (
        dictionary({"ae": LINEAR | {"decoder.bias": C}, "step": 3}),
        lambda x: relu(x @ E + B),
        lambda x, z: z @ D + C,
    ),
    "dictionary_learning backup": (
        dictionary(
            {
                "step": 3,
                "ae": LINEAR | {"b_dec": C} | COUNTS,
                "optimizer": {"state": {}},
                "config": {"dict_class": "BatchTopKSAE", "k": 4},
                "norm_factor": torch.tensor(2.5),
            }
        ),
        lambda x: 2.5 * relu((x / 2.5 - C) @ E + B) * ((x / 2.5 - C) @ E + B > 0.7),
        lambda x, z: (z / 2.5 @ D + C) * 2.5,
    ),
    "sparsify": (
        sparsify(num_latents=0, expansion_factor=3, activation="topk"),
        lambda x: top(relu((x - C) @ E + B), 4),
        lambda x, z: z @ D + C,
    ),
    "sparsify groupmax": (
        sparsify(num_latents=24, activation="groupmax"),
        lambda x: groupmax(relu((x - C) @ E + B), 4),
        lambda x, z: z @ D + C,
    ),
    "llama scope": (
        llama_scope(),
        scaled(lambda h, f: relu(h) * (h > 0.35 * f)),  # the threshold is one of inputs that are not scaled
        lambda x, z: z @ D + C / (8**0.5 / 2),
    ),
    "llama scope topk": (
        llama_scope(act_fn="topk"),
        lambda x: scaled(lambda h, f: top(h, 4))(x) * NORMS,  # codes in units of decoder rows of norm 1
        lambda x, z: z / NORMS @ D + C / (8**0.5 / 2),
    ),
    "llama scope folded": (
        llama_scope(norm_activation="inference", sparsity_include_decoder_norm=False, act_fn="relu"),
        lambda x: relu(x @ E + B),
        lambda x, z: z @ D + C,
    ),
    "goodfire relu": (
        torch_file(
            "Llama-3.1-8B-Instruct-SAE-l19.pth",
            {
                "encoder_linear.weight": E.T,
                "encoder_linear.bias": B,
                "decoder_linear.weight": D.T,
                "decoder_linear.bias": C,
            },
        ),
        lambda x: relu(x @ E + B),
        lambda x, z: z @ D + C,
    ),
    "goodfire topk": (
        torch_file("topk_sae_l15_exp3_k4.pt", {"encoder_linear.weight": E.T, "decoder.weight": D, "decoder_bias": C}),
        lambda x: top(relu((x - C) @ E), 4),
        lambda x, z: z @ D + C,
    ),
    "attention of Kissane et al.": (
        torch_file("z.pt", W, act_name="blocks.2.attn.hook_z", act_size=8, dict_size=24, model_name="gpt2-small"),
        lambda x: relu((x - C) @ E + B),
        lambda x, z: z @ D + C,
    ),
    "openai relu": (openai("ReLU"), lambda x: relu((x - C) @ E + B), lambda x, z: z @ D + C),
    "openai tied": (openai("ReLU", tied=True), lambda x: relu((x - C) @ E + B), lambda x, z: z @ E.T + C),
    "openai topk": (
        openai("TopK", k=4, postact_fn="ReLU"),
        lambda x: top((layer_norm(x)[0] - C) @ E + B, 4),
        lambda x, z: (z @ D + C) * layer_norm(x)[2] + layer_norm(x)[1],
    ),
}
