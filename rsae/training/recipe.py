"""`Recipe`: how an arm is trained, with the defaults that were measured, and what no training could use."""

import math
from dataclasses import dataclass, replace
from typing import Any

from rsae import ranks
from rsae.data.states import HiddenStates
from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["Recipe", "check_trainable", "recipe_for"]


@dataclass(frozen=True)
class Recipe:
    """How to train: everything that decides the result besides the data and the seed.

    Rates are for weights and for the rational's coefficients; ``bandwidth`` is that of the straight-through gradient
    of JumpReLU thresholds, relative to their median; ``sparsity`` says how a ReLU's L0 is held:
    ``"l1"``, or ``"threshold"``: the support is the batch's largest pre-activations, and one threshold for all
    replaces it afterwards. ``precision``: ``"float32"``, or ``"bfloat16"`` for the dense products of the forward pass.

    The last ``kl_share`` of the steps (0: none) are a stage of their own, with its own warm-up and cosine at
    ``kl_rate`` times the rates, on batches of ``kl_contexts`` whole contexts. Its loss is ``MSE + kl_weight b KL``: the
    divergence of next-token distributions, clean and with the reconstruction spliced in; b, the ratio of MSE to KL in
    the first of its batches, makes the weight a number without a unit.

    ``anchor`` (0: none) is the weight of a penalty on how far latents have turned from where training began: the mean
    over latents of ``1 - cosine``, of decoder rows and of encoder columns, in units of the batch's squared error.
    """

    learning_rate: float
    coefficient_rate: float = 3e-3
    steps: int = 2000
    batch_size: int = 256
    warmup: int = 50
    bandwidth: float = 0.3
    sparsity: str = "l1"
    precision: str = "float32"
    kl_share: float = 0.0
    kl_weight: float = 0.3
    kl_rate: float = 0.5
    kl_contexts: int = 4
    anchor: float = 0.0

    def __post_init__(self) -> None:
        for name in ("learning_rate", "coefficient_rate", "bandwidth", "kl_weight", "kl_rate"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 < value < math.inf):
                raise ValueError(f"{name} must be a positive number, not {value!r}")
        if not (isinstance(self.kl_share, int | float) and 0 <= self.kl_share <= 1):
            raise ValueError(f"kl_share is a share of the steps, from 0 to 1, not {self.kl_share!r}")
        if not (isinstance(self.anchor, int | float) and 0 <= self.anchor < math.inf):
            raise ValueError(f"anchor is the weight of a penalty, 0 or a positive number, not {self.anchor!r}")
        for name, least in (("steps", 1), ("batch_size", 1), ("warmup", 0), ("kl_contexts", 1)):
            count = getattr(self, name)
            if isinstance(count, bool) or not isinstance(count, int) or count < least:
                raise ValueError(f"{name} must be an integer of at least {least}, not {count!r}")
        if self.sparsity not in ("l1", "threshold"):
            raise ValueError(f"sparsity must be 'l1' or 'threshold', not {self.sparsity!r}")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision must be 'float32' or 'bfloat16', not {self.precision!r}")

    def kl_steps(self, steps: int) -> int:
        """How many of so many steps belong to the KL stage."""
        return round(self.kl_share * steps)


def recipe_for(sae: SparseAutoencoder, *, sparsity: str | None = None, **changes: Any) -> Recipe:
    """The measured defaults for an SAE's family and size, with changes by keyword.

    Weights learn at 6e-3 (topk, jumprelu), 2e-2 (relu with L1), 1.2e-2 (relu with a threshold), in 2000 batches of 256,
    from d_in = 256 on of 1024: the best of several rates for the control at d_in = 64 and at d_in = 576. Inputs are
    trained on in units of their own spread (`rsae.training.units`), so that rates do not depend on the width; relu's,
    which are higher, are at most 2e-2 sqrt(64 / d_in). Curves learn at 3e-3, of jumprelu, and of a relu whose curve
    reads the ratio alone, at 3e-4; from d_in = 256 on at a third of that. In a KL stage rates are half as high, relu's
    a quarter, from d_in = 256 on a fifth of that (docs/measured/kl-stage.md). Groupmax takes topk's rates, unmeasured.
    """
    if sparsity is None:
        sparsity = "threshold" if sae.family == "relu" and sae.activation is not None else "l1"
    rate = 6e-3 if sae.family != "relu" else 2e-2 if sparsity == "l1" else 1.2e-2
    if sae.family == "relu":
        rate = min(rate, 2e-2 * (64 / sae.d_in) ** 0.5)
    # Thresholds move with the curve, and one that moves fast leaves them behind; the norm share is used by a fast one.
    alone = sae.activation is not None and tuple(sae.activation.inputs) == ("ratio",)
    slow = sae.family == "jumprelu" or (sae.family == "relu" and alone)
    base = Recipe(learning_rate=rate, sparsity=sparsity, coefficient_rate=3e-4 if slow else 3e-3)
    if sae.family == "relu":
        base = replace(base, kl_rate=0.25)
    if sae.d_in >= 256:
        base = replace(base, batch_size=1024)
        base = replace(base, coefficient_rate=base.coefficient_rate / 3, kl_rate=base.kl_rate / 5)
    return replace(base, **{name: value for name, value in changes.items() if value is not None})


def check_trainable(sae: SparseAutoencoder, hidden_states: HiddenStates, steps: int, recipe: Recipe) -> None:
    """Refuse, before any work, what no training could use."""
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps must be a positive integer, not {steps!r}")
    if hidden_states.d_in != sae.width:
        both = " Both are read with a hook such as 'blocks.5.mlp.hook_in -> blocks.5.hook_mlp_out'."
        raise ValueError(
            f"the hidden states have width {hidden_states.d_in}, but the SAE takes {sae.taken}: "
            f"is it another layer or another model?{both if sae.transcodes else ''}"
        )
    if len(hidden_states.train) < recipe.batch_size:
        raise ValueError(
            f"{len(hidden_states.train)} training vectors are fewer than one batch of {recipe.batch_size}: "
            "give more text, or a smaller batch_size"
        )
    if recipe.kl_share and not (hidden_states.host and hidden_states.contexts):
        raise ValueError(
            "a KL stage runs the layers after the hook on text, but these hidden states came without a language model: "
            "make them by hidden_states(model, text, hook), or train with objective='mse'"
        )
    if recipe.kl_share and ranks.data().count > 1:
        raise ValueError(
            "a KL stage runs in one data group, whose processes share the latents out: leave --data-groups"
        )
    if recipe.batch_size % (groups := ranks.data().count):
        raise ValueError(f"a batch of {recipe.batch_size} cannot be shared evenly between {groups} data groups")
    ratio = sae.activation is not None and not sae.dense
    if ratio and sae.threshold is not None and bool((sae.latents.all(sae.threshold) < 0).any()):
        raise ValueError("some JumpReLU thresholds are negative, where the ratio tau / h has no meaning")
