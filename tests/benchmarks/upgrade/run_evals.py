"""The same SAE on the same tokens, measured by SAELens's own `run_evals` and by `rsae.evaluate`.

    python -m tests.benchmarks.upgrade.run_evals --shared ../shared [--teacher topk_16]

SAELens reads the SAE back from what `rsae.save_sae` wrote: once with the teacher's gate, once with a rational one after
100 steps. Needs sae-lens (`make test-peers` installs it); the host is stories260K, the contexts (256 tokens) of 48
held-out stories.
"""

import argparse
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import rsae
from rsae.data.states import HiddenStates
from rsae.hosts.hooks import capture, replacing
from rsae.upgrading.calibration import calibrate

warnings.filterwarnings("ignore")  # of the libraries that SAELens imports

# ours: (theirs, agree). Where they disagree the table of docs/measured/run-evals.md says why.
PAIRS = {
    "mse": ("mse", True),
    "explained_variance": ("explained_variance", True),
    "cosine": ("cossim", True),
    "l0": ("l0", True),
    "l1": ("l1", False),
    "alive_fraction": ("alive_fraction", True),
    "dense_fraction": ("dense_fraction", True),
    "ce_clean": ("ce_loss_without_sae", False),
    "ce_spliced": ("ce_loss_with_sae", False),
    "ce_zero": ("ce_loss_with_ablation", False),
    "loss_recovered": ("ce_loss_score", False),
}


class Hooked:
    """What `run_evals` asks of a model, on a Hugging Face model and our hooks."""

    def __init__(self, states: HiddenStates) -> None:
        assert states.host is not None
        self.model, self.tokenizer, self.hook = states.host.model, states.host.tokenizer, states.host.hook

    def run_with_cache(self, tokens: Tensor, names_filter: list[str], **_: Any) -> tuple[None, dict[str, Tensor]]:
        return None, {names_filter[0]: capture(self.model, self.hook, tokens)}

    def __call__(self, tokens: Tensor, **_: Any) -> tuple[Tensor, Tensor]:
        logits = self.model(input_ids=tokens, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
        return logits, loss

    def run_with_hooks(self, tokens: Tensor, fwd_hooks: list[Any], **_: Any) -> tuple[Tensor, Tensor]:
        function = fwd_hooks[0][1]
        with replacing(self.model, self.hook, lambda hidden: function(hidden, hook=None)):
            return self(tokens)


class Batches:
    """What `run_evals` asks of its store of tokens: the held-out contexts, again and again."""

    context_size = 256

    def __init__(self, contexts: list[list[int]], size: int) -> None:
        self.tokens, self.store_batch_size_prompts, self.place = torch.tensor(contexts), size, 0

    def get_batch_tokens(self, size: int) -> Tensor:
        batch = self.tokens[self.place : self.place + size]
        self.place = (self.place + size) % len(self.tokens)
        return batch

    def reset_input_dataset(self) -> None:
        self.place = 0


def stories(shared: Path, count: int = 48) -> HiddenStates:
    """Hidden states of stories260K whose held-out contexts are all 256 tokens long."""
    texts = json.loads((shared / "data/text/tinystories_1000.json").read_text(encoding="utf-8"))
    long = [text for text in texts if len(text) > 1200][: 3 * count]
    return rsae.hidden_states(
        str(shared / "data/hosts/stories260K"),
        long,
        "model.layers.2",
        context_length=256,
        held_out=count,
        reading=rsae.Reading(outlier_medians=None, loss_tokens=None),
    )


def compare(sae: rsae.SparseAutoencoder, states: HiddenStates, folder: Path) -> dict[str, tuple[float, float]]:
    """(ours, theirs) for each metric of ours."""
    import sae_lens
    from sae_lens.evals import get_eval_everything_config, run_evals
    from sae_lens.training.activation_scaler import ActivationScaler

    import rsae.saelens  # makes the architecture known

    assert states.host is not None
    sae.metadata["hook"] = "blocks.2.hook_resid_post"
    theirs = sae_lens.SAE.load_from_disk(rsae.save_sae(sae, folder))
    contexts = [context for context in states.host.contexts if len(context) == 256]
    assert len(contexts) == len(states.host.contexts), "contexts of one length, so that both see the same tokens"
    size = next(n for n in (16, 8, 4, 2, 1) if len(contexts) % n == 0)
    config = get_eval_everything_config(size, len(contexts) // size, len(contexts) // size)
    model: Any = Hooked(states)
    groups, features = run_evals(theirs, Batches(contexts, size), model, ActivationScaler(), config)  # type: ignore
    found = {name: value for group in groups.values() for name, value in group.items()}
    density = torch.tensor(features["feature_density"])
    found |= {
        "alive_fraction": float((density > 0).double().mean()),
        "dense_fraction": float((density > 0.1).double().mean()),
    }
    ours = rsae.evaluate(sae, states)
    return {name: (ours[name].value, found[their_name]) for name, (their_name, _) in PAIRS.items()}


def rational(teacher: rsae.SparseAutoencoder, states: HiddenStates) -> rsae.SparseAutoencoder:
    """The teacher with a rational activation after 100 steps."""
    return rsae.finetune(calibrate(teacher, states), states, steps=100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--teacher", default="topk_16")
    arguments = parser.parse_args()
    states = stories(arguments.shared)
    teacher = rsae.load_sae(arguments.shared / "data/teachers/stories260K_layer2" / arguments.teacher)
    with tempfile.TemporaryDirectory() as scratch:
        for i, sae in enumerate((teacher, rational(teacher, states))):
            print(f"\n{arguments.teacher}, {'the teacher' if i == 0 else 'rational, 100 steps'}")
            for name, (ours, theirs) in compare(sae, states, Path(scratch) / str(i)).items():
                print(f"{name:20} {ours:<14.8g} {PAIRS[name][0]:24} {theirs:<14.8g} {abs(ours - theirs):.1e}")
