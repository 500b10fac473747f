"""Our metrics beside those of sae-lens and dictionary_learning, where the definitions agree.

``RECORDED`` was written by `record` with sae-lens 6.54.12 and dictionary_learning 0.1.0, on weights and hidden states
that are formulas, so that they are the same on every machine. The tests marked ``peers`` record again and compare.
"""

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from rsae.evaluation.metrics import evaluate
from rsae.hosts.host import Host
from rsae.sae.autoencoder import SparseAutoencoder
from tests.rsae.material import pure_metrics as metrics
from tests.rsae.material.tiny import CONFIGS, WIDTH

HOOK = "model.layers.1"
D_SAE, TOKENS, LENGTH = 96, 40, 24

RECORDED: dict[str, dict[str, float]] = {
    "sae_lens": {
        "l0": 42.094566,
        "l1": 30.791649,
        "explained_variance_legacy": 0.31441671,
        "mse": 38.342346,
        "cossim": 0.7857433,
        "explained_variance": 0.33997767,
        "kl_div_with_sae": 0.27412099,
        "kl_div_with_ablation": 0.44106871,
        "ce_loss_with_sae": 4.5465827,
        "ce_loss_without_sae": 4.5952387,
        "ce_loss_with_ablation": 4.1588826,
        "kl_div_score": 0.37850729,
        "ce_loss_score": 0.88849476,
    },
    "dictionary_learning": {
        "l2_loss": 1.845013,
        "l1_loss": 4.3200445,
        "l0": 21.594,
        "frac_variance_explained": 0.56270123,
        "cossim": 0.73353189,
        "l2_ratio": 0.72323447,
        "relative_reconstruction_bias": 1.0786021,
        "frac_alive": 1,
    },
}


def waves(*shape: int, rate: float, size: float = 1.0) -> torch.Tensor:
    """Numbers that look random and are a formula: ``size cos(rate i + i^2 / 97)``, computed in float64."""
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (size * (rate * i + i * i / 97).cos()).float().reshape(shape)


def subject() -> SparseAutoencoder:
    """A ReLU SAE with decoder rows of norm 1, so that units of codes do not matter."""
    rows = torch.nn.functional.normalize(waves(D_SAE, WIDTH, rate=1.3), dim=1)
    return SparseAutoencoder(
        W_enc=0.6 * rows.T,
        b_enc=waves(D_SAE, rate=0.7, size=0.05) - 0.1,
        W_dec=rows,
        b_dec=waves(WIDTH, rate=2.1, size=0.1),
        family="relu",
    )


def vectors() -> torch.Tensor:
    return waves(500, WIDTH, rate=0.37, size=0.5) + 0.3


def model() -> Any:
    """A llama whose weights are formulas."""
    made = AutoModelForCausalLM.from_config(CONFIGS["llama"]).eval()
    with torch.no_grad():
        for number, (name, parameter) in enumerate(sorted(made.named_parameters())):
            if "norm" not in name:
                parameter.copy_(waves(*parameter.shape, rate=0.5 + 0.1 * number, size=0.25))
    return made


def contexts() -> torch.Tensor:
    """Tokens [context, position]; the first of each is 0, which occurs nowhere else."""
    tokens = 1 + (torch.arange(TOKENS * LENGTH) * 37 + torch.arange(TOKENS * LENGTH) ** 2 // 5) % 63
    tokens = tokens.reshape(TOKENS, LENGTH)
    tokens[:, 0] = 0
    return tokens


def record() -> dict[str, dict[str, float]]:
    """What the peers themselves compute."""
    return {"sae_lens": sae_lens_values(), "dictionary_learning": dictionary_learning_values()}


def sae_lens_values() -> dict[str, float]:
    sae_lens = pytest.importorskip("sae_lens", exc_type=ImportError)
    evals = importlib.import_module("sae_lens.evals")
    proxy = importlib.import_module("sae_lens.load_model").HookedProxyLM(model(), None, hook_names=[HOOK])
    scaler = importlib.import_module("sae_lens.training.activation_scaler").ActivationScaler()
    ours = subject()
    config = sae_lens.StandardSAEConfig(
        d_in=WIDTH,
        d_sae=D_SAE,
        dtype="float32",
        device="cpu",
        apply_b_dec_to_input=True,
        metadata=sae_lens.saes.sae.SAEMetadata(hook_name=HOOK, hook_head_index=None),
    )
    theirs = sae_lens.StandardSAE(config)
    theirs.load_state_dict({name: value.detach() for name, value in ours.state_dict().items()}, strict=False)
    store = SimpleNamespace(get_batch_tokens=lambda _: contexts())
    shared = {"sae": theirs, "model": proxy, "activation_store": store, "activation_scaler": scaler, "n_batches": 1}
    found, _ = evals.get_sparsity_and_variance_metrics(
        **shared,
        compute_l2_norms=False,
        compute_sparsity_metrics=True,
        compute_variance_metrics=True,
        compute_featurewise_density_statistics=True,
        eval_batch_size_prompts=TOKENS,
        model_kwargs={},
        ignore_tokens=[0],
    )
    downstream = evals.get_downstream_reconstruction_metrics(
        **shared, compute_kl=True, compute_ce_loss=True, eval_batch_size_prompts=TOKENS, ignore_tokens=[0]
    )
    return found | downstream


def dictionary_learning_values() -> dict[str, float]:
    evaluation = pytest.importorskip("dictionary_learning.evaluation", exc_type=ImportError)

    class Ours(torch.nn.Module):
        dict_size, activation_dim = D_SAE, WIDTH

        def forward(self, x: torch.Tensor, output_features: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
            codes, reconstruction, _ = subject()(x)
            return reconstruction, codes

    return dict(evaluation.evaluate(Ours(), iter([vectors()])))


@pytest.fixture(scope="module")
def host() -> Host:
    return Host(model(), None, HOOK, contexts().tolist())


@pytest.fixture(scope="module")
def on_host(host: Host) -> dict[str, float]:
    states = torch.cat([hidden[1:] for _, hidden in host.hidden_states(host.contexts)])
    return {name: metric.value for name, metric in evaluate(subject(), states, host).items()}


def test_vectors_metrics_are_those_of_sae_lens(on_host: dict[str, float]) -> None:
    theirs = RECORDED["sae_lens"]
    assert on_host["mse"] == pytest.approx(theirs["mse"], rel=1e-5)
    assert on_host["explained_variance"] == pytest.approx(theirs["explained_variance"], rel=1e-4)
    assert on_host["cosine"] == pytest.approx(theirs["cossim"], rel=1e-5)
    assert on_host["l0"] == pytest.approx(theirs["l0"], rel=1e-3)
    assert on_host["l1"] == pytest.approx(theirs["l1"], rel=1e-5)
    # Its former explained variance averages ratios, and is another number.
    assert abs(on_host["explained_variance"] - theirs["explained_variance_legacy"]) > 1e-3


def test_losses_are_those_of_sae_lens_over_one_position_more(on_host: dict[str, float], host: Host) -> None:
    """sae-lens drops the ignored first position from its means; here it is counted, with nothing replaced there."""
    theirs = RECORDED["sae_lens"]
    delta = theirs["ce_loss_with_sae"] - theirs["ce_loss_without_sae"]
    assert on_host["delta_ce"] == pytest.approx(delta * (LENGTH - 2) / (LENGTH - 1), rel=1e-3)
    assert on_host["kl"] == pytest.approx(theirs["kl_div_with_sae"] * (LENGTH - 1) / LENGTH, rel=1e-3)


def test_vector_metrics_are_those_of_dictionary_learning() -> None:
    theirs, x = RECORDED["dictionary_learning"], vectors()
    codes, reconstruction, _ = (part.detach() for part in subject()(x))
    assert metrics.l0(codes) == pytest.approx(theirs["l0"], rel=1e-3)
    assert metrics.l1(codes) == pytest.approx(theirs["l1_loss"], rel=1e-5)
    assert metrics.cosine(x, reconstruction) == pytest.approx(theirs["cossim"], rel=1e-5)
    assert metrics.alive_fraction(codes) == pytest.approx(theirs["frac_alive"], rel=1e-6)
    # Its explained fraction centres the error first: without the error's own mean it is never below ours.
    error = x - reconstruction
    assert metrics.explained_variance(x, reconstruction) <= theirs["frac_variance_explained"]
    centred = metrics.explained_variance(x, reconstruction + error.mean(0))
    assert centred == pytest.approx(theirs["frac_variance_explained"], rel=1e-4)


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", ["sae_lens", "dictionary_learning"])
def test_the_peers_still_compute_what_was_recorded(library: str) -> None:
    found = {"sae_lens": sae_lens_values, "dictionary_learning": dictionary_learning_values}[library]()
    assert found == pytest.approx(RECORDED[library], rel=1e-4)
