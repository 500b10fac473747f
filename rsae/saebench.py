"""SAEBench (the package ``sae-bench``): SAEs as its evaluations take them, and its core metrics on a host of ours.

SAEBench takes SAELens's SAEs as it takes its own custom ones. What is handed over is therefore
`rsae.saelens.RationalSAE`, or SAELens's own class where an SAE has its own gate.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from rsae.evaluation.metrics import Metric
from rsae.formats.writing import save_sae
from rsae.hosts.hooks import capture, replacing
from rsae.hosts.host import Host, evaluating
from rsae.hosts.places import hook_point
from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["DEFINITIONS", "adapted", "check", "core_metrics"]

_LEFT_OUT = "tokens that are padding, BOS or EOS neither replaced nor counted"
DEFINITIONS = {
    "kl_div_with_sae": "KL divergence of the predictions from the clean ones, in nats",
    "kl_div_score": "1 - KL divergence / that with zeros in the place of the hidden states",
    "ce_loss_without_sae": "cross-entropy of the untouched host, in nats a next token",
    "ce_loss_with_sae": "cross-entropy with the reconstruction, in nats a next token",
    "ce_loss_score": "(ablated - with SAE) / (ablated - without), of cross-entropies; ablated: zeros at every position",
    "mse": "squared error summed over d_in, divided by the number of tokens of a batch, mean over tokens",
    "cossim": "cosine of hidden state and reconstruction, mean over tokens",
    "explained_variance": "1 - squared error / (mean of |x|^2 - q^2), q the mean of x^2 over tokens and d_in",
    "explained_variance_legacy": "1 - squared error / squared distance from the batch's mean, mean over tokens",
    "l2_ratio": "norm of the reconstruction / norm of the hidden state, mean over tokens",
    "relative_reconstruction_bias": "mean of |x_hat|^2 / mean of the product of x and x_hat",
    "l0": "codes that are not 0, mean over tokens",
    "l1": "sum of the codes, mean over tokens",
}
_BATCH = 16


def check(host: Host | None) -> None:
    """Raise ImportError where SAEBench is not installed, ValueError without a host that has held-out contexts."""
    _installed()
    if host is None or not host.contexts:
        raise ValueError("SAEBench's metrics need a host and held-out contexts, and these hidden states have none")


def _installed() -> None:
    for name in ("sae_bench", "sae_lens"):
        if find_spec(name) is None:
            raise ImportError(f"SAEBench needs {name}, which is not installed: docs/upgrading/saebench.md says how")


def adapted(
    sae: SparseAutoencoder | str | Path,
    *,
    model: str | None = None,
    hook: str | None = None,
    device: str = "cpu",
    dtype: str = "float32",
) -> Any:
    """An SAE, or a folder with one, for the ``selected_saes`` of SAEBench's evaluations.

    It has their interface: ``W_enc`` [d_in, d_sae], ``W_dec`` [d_sae, d_in], ``b_enc``, ``b_dec``, ``cfg``, ``device``,
    ``dtype``, ``encode``, ``decode`` and a forward pass that gives the reconstruction. Decoder rows have norm 1, as
    SAEBench asks, but where that would change what the SAE computes (`fold_decoder_norms`).

        from sae_bench.evals.core.main import multiple_evals
        multiple_evals([("mine", adapted("run/sae", model="gpt2-small"))], 10, 10, device="cpu")

    Parameters
    ----------
    model, hook:
        The host's and the place's names in TransformerLens; default: what the SAE's metadata say.

    Raises
    ------
    ImportError
        where sae-lens or sae-bench is not installed.
    ValueError
        where nothing names the host or the place.
    """
    _installed()
    from sae_bench.sae_bench_utils.general_utils import load_and_format_sae
    from sae_lens import SAE

    import rsae.saelens  # noqa: F401  # makes the architecture known
    from rsae.formats.reading import load_sae

    ours = sae if isinstance(sae, SparseAutoencoder) else load_sae(sae)
    model, hook = model or ours.metadata.get("model"), hook or ours.metadata.get("hook")
    if not model or not hook:
        raise ValueError("SAEBench asks for the host and the place, and this SAE names none: give model= and hook=")
    hook = hook_point(hook)
    with TemporaryDirectory() as folder:
        theirs = SAE.load_from_disk(save_sae(ours, Path(folder) / "sae"), device=device, dtype=dtype)
    with suppress(ValueError, NotImplementedError):  # it would change what the SAE computes
        theirs.fold_W_dec_norm()
    layer = re.search(r"\d+", hook)
    theirs.cfg.metadata.model_name, theirs.cfg.metadata.hook_name = model, hook
    theirs.cfg.metadata.hook_layer = int(layer[0]) if layer else 0
    theirs.cfg.metadata.prepend_bos = ours.metadata.get("prepend_bos", True)
    return load_and_format_sae("rsae", theirs, device)[1]


def core_metrics(saes: Mapping[str, SparseAutoencoder], host: Host) -> dict[str, dict[str, Metric]]:
    """What SAEBench's own ``run_evals`` measures of each SAE, by ``DEFINITIONS`` with ``saebench_`` before each name.

    On the held-out contexts of the most frequent length, since it wants batches of one length, padding, BOS and EOS
    neither replaced nor counted. Unlike `evaluate` it replaces a first position that is another token, and outliers.
    """
    from sae_bench.evals.core.eval_config import CoreEvalConfig
    from sae_bench.evals.core.main import run_evals

    store, special = _Contexts(host), _special(host.tokenizer)
    config = CoreEvalConfig(
        batch_size_prompts=store.store_batch_size_prompts,
        n_eval_reconstruction_batches=store.batches,
        n_eval_sparsity_variance_batches=store.batches,
        exclude_special_tokens_from_reconstruction=True,
        compute_kl=True,
        compute_ce_loss=True,
        compute_l2_norms=True,
        compute_sparsity_metrics=True,
        compute_variance_metrics=True,
        context_size=store.context_size,
    )
    about = f"SAEBench, on {store.batches * store.store_batch_size_prompts} held-out contexts, {_LEFT_OUT}"
    found: dict[str, dict[str, Metric]] = {}
    for name, sae in saes.items():
        # The model knows one place, whatever it is called; a name with heads in it would be taken apart.
        theirs = adapted(sae, model="the host", hook=_Model.hook_name, device=str(host.device))
        store.reset_input_dataset()
        with evaluating(host.model):
            groups, _ = run_evals(theirs, store, _Model(host), config, ignore_tokens=special)
        values = {key: value for group in groups.values() for key, value in group.items()}
        found[name] = {f"saebench_{key}": Metric(values[key], f"{said} ({about})") for key, said in DEFINITIONS.items()}
    return found


def _special(tokenizer: Any) -> set[int]:
    names = ("pad_token_id", "eos_token_id", "bos_token_id")
    return {token for name in names if (token := getattr(tokenizer, name, None)) is not None}


class _Contexts:
    """What ``run_evals`` asks of its store of tokens: contexts of one length, batch by batch, again and again."""

    def __init__(self, host: Host) -> None:
        lengths = [len(context) for context in host.contexts]
        self.context_size = max(set(lengths), key=lambda length: (lengths.count(length), length))
        chosen = [context for context in host.contexts if len(context) == self.context_size]
        self.store_batch_size_prompts = min(_BATCH, len(chosen))
        self.batches = len(chosen) // self.store_batch_size_prompts
        self._tokens = torch.tensor(chosen, device=host.device)
        self._next = 0

    def get_batch_tokens(self, size: int) -> Tensor:
        first = self._next * size
        self._next = (self._next + 1) % self.batches
        return self._tokens[first : first + size]

    def reset_input_dataset(self) -> None:
        self._next = 0


class _Model:
    """What ``run_evals`` asks of a model, on a host: its one place is cached and replaced, whatever the name."""

    hook_name = "blocks.0.hook_of_the_host"

    def __init__(self, host: Host) -> None:
        self.host = host

    def run_with_cache(self, tokens: Tensor, names_filter: list[str], **_: Any) -> tuple[None, dict[str, Tensor]]:
        return None, {names_filter[0]: capture(self.host.model, self.host.hook, tokens)}

    def __call__(self, tokens: Tensor, **_: Any) -> tuple[Tensor, Tensor]:
        logits = self.host.model(input_ids=tokens, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
        return logits, loss

    def run_with_hooks(self, tokens: Tensor, fwd_hooks: list[Any], **_: Any) -> tuple[Tensor, Tensor]:
        function = fwd_hooks[0][1]
        with replacing(self.host.model, self.host.hook, lambda hidden: function(hidden, hook=None)):
            return self(tokens)
