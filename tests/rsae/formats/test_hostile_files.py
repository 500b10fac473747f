"""Hostile and broken SAE files: one sentence each, quickly, in little memory; nothing runs and nothing is written."""

import json
import os
import pickle
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from rsae.formats import load_sae
from tests.rsae.material.hostile import (
    ARCHIVE,
    CANARY,
    CONFIG,
    LINEAR,
    RELU,
    TOPK,
    Payload,
    W,
    archive,
    compressed,
    entry,
    header,
    lens,
    linked,
    mostly_holes,
    nested,
    npy,
    npz,
    pt,
    rational,
    raw,
    repacked,
    sparsify,
    twice,
    weights,
    with_payload,
)

DEEP = b"[" * 10**6 + b"]" * 10**6
NAN, INF = (torch.full((24,), value) for value in (float("nan"), float("inf")))
CLASS = {"trainer": {"dict_class": "AutoEncoderTopK"}}
OPENAI = {"pre_bias": W["b_dec"], "latent_bias": W["b_enc"], "activation": "TopK"}
OPENAI |= {name: LINEAR[name] for name in ("encoder.weight", "decoder.weight")}
GATED = LINEAR | {"decoder_bias": W["b_dec"], "r_mag": NAN[:3], "gate_bias": NAN, "mag_bias": NAN}
RECORD = {"kind": "ratio", "inputs": ["ratio"], "numerator": [float("nan")], "denominator": [], "arch": []}


def overlapping(entries):
    entries["W_enc"]["data_offsets"] = entries["W_dec"]["data_offsets"]


CASES = {
    # torch files
    "pickle that makes a directory": raw("ae.pt", pickle.dumps(Payload(os.mkdir, str(CANARY)))),
    "pickle that runs a shell": raw("ae.pt", pickle.dumps(Payload(os.system, f"touch {CANARY}"))),
    "pickle that evaluates": raw("ae.pt", pickle.dumps(Payload(eval, f"open({str(CANARY)!r}, 'w')"))),
    "pickle in place of the archive's": repacked(with_payload),
    "object among the weights": pt(RELU | {"bias": Payload(os.mkdir, str(CANARY))}),
    "pickle that claims 2^62 bytes": raw("ae.pt", b"\x80\x04\x8e" + (2**62).to_bytes(8, "little") + b"x."),
    "pickle of garbage": raw("ae.pt", b"\x80\x02" + bytes(range(256)) * 20),
    "empty torch file": raw("ae.pt", b""),
    "text as a torch file": raw("ae.pt", b"version https://git-lfs.github.com/spec/v1\n"),
    "torch archive cut short": lambda folder: (pt(RELU)(folder), os.truncate(folder / "ae.pt", 3000)),
    "torch archive with a bomb": repacked(compressed),
    "torch archive with double entries": repacked(twice),
    "list of weights": pt([W["W_enc"]]),
    "one tensor": pt(W["W_enc"]),
    "tensor larger than the file": pt(RELU | {"bias": torch.zeros(1).expand(10**6, 10**6)}),
    "sparse weights": pt(RELU | {"encoder.weight": LINEAR["encoder.weight"].to_sparse()}),
    "integer weights": pt(RELU | {"encoder.weight": torch.zeros(24, 8, dtype=torch.int32)}),
    "complex weights": pt(RELU | {"bias": torch.zeros(8, dtype=torch.complex64)}),
    "NaN bias": pt(RELU | {"encoder.bias": NAN}),
    "infinite bias": pt(RELU | {"encoder.bias": INF}),
    "bias of another length": pt(RELU | {"bias": torch.zeros(9)}),
    "decoder of another size": pt(RELU | {"decoder.weight": torch.zeros(8, 25)}),
    "encoder of three dimensions": pt(RELU | {"encoder.weight": torch.zeros(2, 24, 8)}),
    "missing bias": pt({k: v for k, v in RELU.items() if k != "encoder.bias"}),
    "no weights at all": pt({"step": 3}),
    "weights nested deeply": pt(nested(20)),
    "extra weights": pt(RELU | {"W_skip": torch.zeros(8, 8)}),
    "k of zero": pt(TOPK | {"k": torch.tensor(0)}, CLASS),
    "k above d_sae": pt(TOPK | {"k": torch.tensor(25)}, CLASS),
    "k of two and a half": pt(TOPK | {"k": torch.tensor(2.5)}, CLASS),
    "k other than the configuration's": pt(TOPK, {"trainer": CLASS["trainer"] | {"k": 5}}),
    "TopK or BatchTopK": pt(TOPK | {"threshold": torch.tensor(0.1)}),
    "dictionary of another size": pt(RELU, {"trainer": {"dict_size": 10**9}}),
    "gates of another length": pt(GATED),
    "signed TopK of openai": pt(OPENAI | {"activation_state_dict": {"k": 3, "postact_fn": "Identity"}}),
    "names that are numbers": pt(OPENAI | {"decoder.bias": W["b_dec"], 7: W["b_dec"]}),
    "unknown activation of openai": pt(OPENAI | {"activation": "os.system"}),
    # safetensors
    "empty safetensors": lens(data=b""),
    "eight bytes": lens(data=b"\x08" + b"\0" * 7),
    "header of 2^63 bytes": lens(data=header(b"{}", 2**63)),
    "header longer than the file": lens(data=header(b"{}", len(ARCHIVE) * 2)),
    "header that is no JSON": lens(data=header(b"{nonsense")),
    "header of a million levels": lens(data=header(DEEP)),
    "header that is a list": lens(data=header(b"[1, 2]")),
    "header with double names": lens(data=header(b'{"W_enc": {}, "W_enc": {}}')),
    "weights cut short": lens(data=ARCHIVE[:-10]),
    "dtype unknown": lens(data=entry("W_enc", dtype="F99")),
    "dtype of booleans": lens(data=entry("W_enc", dtype="BOOL")),
    "dtype of four bits": lens(data=entry("W_enc", dtype="F4", shape=[8, 192])),
    "dtype that is a list": lens(data=entry("W_enc", dtype=["F32"])),
    "negative shape": lens(data=entry("W_enc", shape=[-8, -24])),
    "absurd shape": lens(data=entry("W_enc", shape=[2**40, 2**40])),
    "shape of fractions": lens(data=entry("W_enc", shape=[8.0, 24.0])),
    "shape that is text": lens(data=entry("W_enc", shape="8x24")),
    "offsets past the end": lens(data=entry("W_enc", data_offsets=[10**9, 10**9 + 768])),
    "offsets reversed": lens(data=entry("W_enc", data_offsets=[768, 0])),
    "offsets on top of another tensor": lens(data=header(overlapping)),
    "entry that is a number": lens(data=header(lambda h: h | {"W_enc": 3})),
    "NaN weights": lens(data=weights(b_enc=NAN)),
    "infinite weights": lens(data=weights(b_enc=INF)),
    "transposed encoder": lens(data=weights(W_enc=W["W_enc"].T), d_in=24, d_sae=8),
    "short b_enc": lens(data=weights(b_enc=torch.zeros(23))),
    "no decoder": lens(data=weights(W_dec=None)),
    "unknown weights": lens(data=weights(W_skip=torch.zeros(8, 8))),
    "whole-number weights": lens(data=weights(W_enc=torch.zeros(8, 24, dtype=torch.int64))),
    # configurations
    "no configuration": raw("sae_weights.safetensors", ARCHIVE),
    "empty configuration": lens(b""),
    "configuration that is a list": lens([CONFIG]),
    "configuration of a million levels": lens(DEEP),
    "configuration of 10 MB": lens(json.dumps(CONFIG | {"x": "y" * 10**7}).encode()),
    "configuration not in UTF-8": lens(b'{"d_in": "\xff"}'),
    "configuration with double names": lens(b'{"d_in": 8, "d_in": 8}'),
    "number of a million digits": lens(b'{"d_in": 1' + b"0" * 10**6 + b"}"),
    "another d_in": lens(d_in=9),
    "another d_sae": lens(d_sae=10**12),
    "skip transcoder without its skip": lens(architecture="skip_transcoder"),
    "transcoder of another width": lens(architecture="transcoder", d_out=9),
    "transcoder that subtracts a bias": lens(architecture="transcoder", apply_b_dec_to_input=True),
    "AbsTopK": lens(architecture="abstopk"),
    "temporal": lens(architecture="temporal"),
    "architecture that is a list": lens(architecture=["standard"]),
    "topk without k": lens(architecture="topk"),
    "topk with k as text": lens(architecture="topk", k="__import__('os').abort()"),
    "topk with k of four hundred digits": lens(architecture="topk", k=10**400),
    "coefficients of four hundred digits": rational(numerator=[10**400]),
    "topk with k = -1": lens(architecture="topk", k=-1),
    "jumprelu without thresholds": lens(architecture="jumprelu"),
    "flag as text": lens(apply_b_dec_to_input="no"),
    "unknown normalisation": lens(normalize_activations="zscore"),
    "rational without a record": lens(architecture="rational"),
    "coefficients of NaN": lens(architecture="rational", rational={"family": "relu", "activation": RECORD}),
    "coefficients as text": rational(numerator=["1/0"]),
    "a million coefficients": rational(numerator=[1.0] * 10**6),
    "activation of an unknown kind": rational(kind="exec"),
    "inputs that are code": rational(inputs="ratio"),
    "coefficients of no degree": rational(inputs=["ratio", "norm"], numerator=[1.0, 2.0]),
    # files that are none
    "nothing": lambda folder: None,
    "link out of the folder": linked("/etc/passwd"),
    "link to nowhere": linked("missing"),
    "link to itself": linked("sae_weights.safetensors"),
    "link to endless zeros": linked("/dev/zero"),
    "pipe": lambda folder: os.mkfifo(folder / "ae.pt"),
    "folder in place of a file": lambda folder: (folder / "ae.pt").mkdir(),
    "half a terabyte of holes": mostly_holes,
    "two formats": lambda folder: (pt(RELU)(folder), lens()(folder)),
    # Gemma Scope and sparsify
    "a backup with an absurd factor": pt({"ae": RELU, "norm_factor": -1.0}),
    "npz with a bomb": archive(("W_enc.npy", npy(np.zeros((2**13, 2**13), np.float32))), kind=zipfile.ZIP_DEFLATED),
    "npz with a pickle": npz(W_enc=np.array([Payload(os.mkdir, str(CANARY))], dtype=object)),
    "npz with an absurd shape": archive(("W_enc.npy", npy(np.zeros((8, 24)), "(99999999, 9999999)"))),
    "npz with a smaller shape": archive(("W_enc.npy", npy(np.zeros((8, 24)), "(8, 23)"))),
    "npz with a negative shape": archive(("W_enc.npy", npy(np.zeros((8, 24)), "(-8, -24)"))),
    "npz with double names": archive(("W_enc.npy", npy(np.zeros(3))), ("W_enc.npy", npy(np.zeros(3)))),
    "npz of text": npz(W_enc=np.array([["a"]])),
    "npz cut short": lambda folder: (npz()(folder), os.truncate(folder / "params.npz", 2000)),
    "npz that is text": raw("params.npz", b"PK nothing"),
    "npz with NaN thresholds": npz(threshold=np.full(24, np.nan, np.float32)),
    "npz with unknown weights": npz(affine_skip_connection=np.zeros((8, 8), np.float32)),
    "sparsify with a skip": sparsify({"W_skip": torch.zeros(8, 8)}),
    "sparsify transcoder without its skip": sparsify(transcode=True, skip_connection=True),
    "sparsify transcoder with another skip": sparsify({"W_skip": torch.zeros(9, 8)}, transcode=True),
    "sparsify skip connection": sparsify({"W_skip": torch.zeros(8, 8)}),
    "sparsify of an unknown activation": sparsify(activation="softmax"),
    "sparsify groupmax of unequal groups": sparsify(activation="groupmax", k=7),
    "sparsify signed": sparsify(signed=True),
    "sparsify of another size": sparsify(num_latents=10**15),
    "sparsify without k": sparsify(k=None),
}


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_hostile_files_are_refused(tmp_path, monkeypatch, name):
    folder, elsewhere = tmp_path / "sae", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    CASES[name](folder)
    monkeypatch.chdir(elsewhere)
    before = sorted(path.name for path in folder.iterdir())
    start = time.perf_counter()
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        load_sae(folder)
    assert time.perf_counter() - start < 2
    message = str(caught.value)
    assert "\n" not in message
    assert 20 < len(message) < 700
    assert not any(word in message for word in ("weights_only", "safe_globals", "likely succeed")), "torch's bad advice"
    assert not list(elsewhere.iterdir()), "something was executed or written"
    assert sorted(path.name for path in folder.iterdir()) == before


def test_there_are_enough_of_them():
    assert len(CASES) >= 100


@pytest.mark.slow
def test_they_take_little_memory(tmp_path):
    """All of them in one fresh process: the peak grows by less than 300 MB over an idle interpreter."""
    script = """
import resource, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from rsae.formats import load_sae
from tests.rsae.formats.test_hostile_files import CASES
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
root = Path(sys.argv[1])
for i, write in enumerate(CASES.values()):
    (root / str(i)).mkdir()
    if "bomb" not in list(CASES)[i]:  # to write a bomb takes memory; to read one must not, and the parent wrote them
        write(root / str(i))
start = peak()
for i in range(len(CASES)):
    try:
        load_sae(root / (str(i) if "bomb" not in list(CASES)[i] else f"bomb{i}"))
    except (ValueError, FileNotFoundError):
        continue
    raise SystemExit(f"accepted: {list(CASES)[i]}")
print(peak() - start)
"""
    for i, name in enumerate(CASES):
        if "bomb" in name:
            (tmp_path / f"bomb{i}").mkdir()
            CASES[name](tmp_path / f"bomb{i}")
    root = Path(__file__).resolve().parents[3]
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 300
