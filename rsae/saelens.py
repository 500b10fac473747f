"""The architectures ``rational`` and ``rational_transcoder`` for SAELens: ``import rsae.saelens`` makes what was saved
load there.

    import rsae.saelens
    sae = sae_lens.SAE.load_from_disk("path/written/by/save_sae")

``encode``, ``decode``, ``W_enc``, ``W_dec``, ``b_enc``, ``b_dec``, ``cfg`` and the hooks are those of any SAELens SAE.
The coefficients are constants of the configuration in float32, whatever the SAE's dtype: rsae trains them, SAELens does
not.
"""

from dataclasses import dataclass, field
from typing import Any, cast

import torch
from sae_lens import SAE, SAEConfig, register_sae_class
from sae_lens.registry import SAE_CLASS_REGISTRY
from sae_lens.saes.topk_sae import TopK
from torch import Tensor, nn

from rsae.formats.record import recorded
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.conventions import Conventions
from rsae.sae.fold import fold_decoder_norms
from rsae.sae.transcoder import Transcoder

__all__ = ["RationalSAE", "RationalSAEConfig", "RationalTranscoder", "RationalTranscoderConfig"]

_PARAMETERS = ("W_enc", "b_enc", "W_dec", "b_dec", "threshold")


@dataclass
class RationalSAEConfig(SAEConfig):
    """A SAELens configuration with what a plain one cannot say: family, activation and refinement (``rational``)."""

    k: int | None = None
    rescale_acts_by_decoder_norm: bool = False
    rational: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def architecture(cls) -> str:
        """The name in the SAELens registry."""
        return "rational"


class _Joint(TopK):
    """What tools find in the place of an activation function: one that needs the pre-activations of all latents.

    sae-dashboard computes some latents at a time with the weights of the others cut away, and refuses architectures
    that it does not know; only where the activation is a `TopK`, whose codes depend on one another, does it encode
    everything and then choose. So do these codes, through the threshold and the norm share.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Refused: it would need the hidden states, too."""
        raise NotImplementedError("a rational's codes depend on more than pre-activations: call encode")


class RationalSAE(SAE[RationalSAEConfig]):
    """A SAELens SAE that computes what `rsae.SparseAutoencoder` computes, on SAELens's parameters."""

    b_enc: nn.Parameter

    def initialize_weights(self) -> None:
        """Parameters of the right shapes; loading replaces them."""
        super().initialize_weights()
        self.b_enc = nn.Parameter(torch.zeros(self.cfg.d_sae, dtype=self.dtype, device=self.device))
        if self.cfg.rational.get("family") == "jumprelu":
            self.threshold = nn.Parameter(torch.zeros(self.cfg.d_sae, dtype=self.dtype, device=self.device))

    def get_activation_fn(self) -> TopK:
        """A stand-in that is never called: it tells tools that codes depend on one another."""
        return _Joint(self.cfg.k or self.cfg.d_sae)

    def _core(self) -> SparseAutoencoder:
        """An rsae autoencoder that shares this one's parameters; made at the first use, when they exist."""
        core = self.__dict__.get("_made")
        if core is None:
            core = recorded(
                self.cfg.rational,
                "the SAELens configuration",
                **{name: getattr(self, name).float() for name in _PARAMETERS if hasattr(self, name)},
                family=self.cfg.rational.get("family"),
                k=self.cfg.k,
                conventions=Conventions(self.cfg.apply_b_dec_to_input, self.cfg.rescale_acts_by_decoder_norm),
                kind=Transcoder if isinstance(self, RationalTranscoder) else SparseAutoencoder,
            )
            self.__dict__["_made"] = core  # past nn.Module: it must not appear among the modules and weights
        core.to(self.W_enc.device)
        for name in _PARAMETERS:
            if hasattr(self, name):
                core._parameters[name] = getattr(self, name)
        return cast(SparseAutoencoder, core)

    def encode(self, x: Tensor) -> Tensor:
        """Codes [..., d_sae] of hidden states [..., d_in], exactly zero off the support."""
        core = self._core()
        inputs = self.run_time_activation_norm_fn_in(self.hook_sae_input(self.reshape_fn_in(x.to(self.dtype))))
        h = self.hook_sae_acts_pre(core.pre_activations(inputs))
        codes = core._refined(core._codes(h.float(), inputs.float()), inputs.float())
        return cast(Tensor, self.hook_sae_acts_post(codes.to(self.dtype)))

    def decode(self, feature_acts: Tensor) -> Tensor:
        """Reconstruction of codes, in the units of the last input that was encoded."""
        out = self.hook_sae_recons(self._core().decode(feature_acts))
        return cast(Tensor, self.reshape_fn_out(self.run_time_activation_norm_fn_out(out), self.d_head))

    def fold_W_dec_norm(self) -> None:
        """Decoder rows to norm 1, thresholds included; ValueError where that would change the codes' selection."""
        folded = fold_decoder_norms(self._core())
        for name in _PARAMETERS:
            if hasattr(self, name):
                getattr(self, name).data.copy_(getattr(folded, name).data)
        self.cfg.rescale_acts_by_decoder_norm = folded.conventions.rescale_by_decoder_norm
        self.__dict__.pop("_made", None)

    def fold_activation_norm_scaling_factor(self, scaling_factor: float) -> None:
        """Refused: the rational reads inputs in their own units.  Fold before the upgrade."""
        raise NotImplementedError("fold the scaling factor into the SAE before its activation becomes rational")


@dataclass
class RationalTranscoderConfig(RationalSAEConfig):
    """The same for a transcoder, whose output has a width of its own."""

    d_out: int = 0
    skip: bool = False

    @classmethod
    def architecture(cls) -> str:
        """The name in the SAELens registry."""
        return "rational_transcoder"

    def to_dict(self) -> dict[str, Any]:
        """The configuration as a tree of plain values."""
        return {**super().to_dict(), "d_out": self.d_out, "skip": self.skip}


class RationalTranscoder(RationalSAE):
    """A rational transcoder; ``W_skip`` [d_out, d_in] is as in SAELens's own."""

    cfg: RationalTranscoderConfig

    def initialize_weights(self) -> None:
        """Parameters of the right shapes; loading replaces them."""
        super().initialize_weights()
        shapes = {"W_dec": (self.cfg.d_sae, self.cfg.d_out), "b_dec": (self.cfg.d_out,)}
        if self.cfg.skip:
            shapes["W_skip"] = (self.cfg.d_out, self.cfg.d_in)
        for name, shape in shapes.items():
            setattr(self, name, nn.Parameter(torch.zeros(shape, dtype=self.dtype, device=self.device)))

    def forward(self, x: Tensor) -> Tensor:
        """What is given [..., d_out] for hidden states [..., d_in]."""
        out = self.decode(self.encode(x))
        return out + x @ self.W_skip.T if self.cfg.skip else out


for _sae, _config in ((RationalSAE, RationalSAEConfig), (RationalTranscoder, RationalTranscoderConfig)):
    if _config.architecture() not in SAE_CLASS_REGISTRY:  # a second import, or a reload, finds the work done
        register_sae_class(_config.architecture(), _sae, _config)
