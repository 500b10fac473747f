"""The start of an upgrade: the teacher's weights unchanged, and a rational in the place of its gate."""

import copy
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from rational_approx import DidNotConverge, fit
from rational_approx.rationals.rational import Rational
from rational_approx.targets import gates
from rsae.activations.paper import PaperActivation
from rsae.activations.ratio import IDENTITIES, IDENTITY, Denominator, Inputs, RationalActivation
from rsae.data.states import HiddenStates
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.fold import fold_decoder_norms

__all__ = ["calibrate", "paper_gate", "usual_inputs"]

SAMPLE = 2048
ENTRIES = 2**20


def calibrate(
    sae: SparseAutoencoder,
    hidden_states: HiddenStates,
    rational: Rational | None = None,
    *,
    support: Literal["exact", "paper"] = "exact",
    inputs: Sequence[str] | None = None,
    denominator: Denominator | None = None,
    degree: tuple[int, int] | None = None,
) -> SparseAutoencoder:
    """A copy of a teacher with a rational activation; its weights are the teacher's.

    ``support="exact"``: the teacher's support, and on it ``h rho(tau / h)`` with ``rational`` as rho (default: the
    constant 1, so that the result *is* the teacher, to rounding). ``denominator`` says as what it is written, and so
    what training can make of it: ``"fixed"`` (default), a cubic in ``tau / h``; ``"trainable"``, type (3, 2).
    ``inputs`` is what rho reads: ``("ratio",)``, or ``("ratio", "norm")`` with the norm share; default: `usual_inputs`.
    Decoder norms are folded where that is exact.

    ``support="paper"``: dense codes ``C_out r(h / C_in)`` (Yin & Yu, arXiv 2606.14990). ``rational`` is r on [-1, 1];
    by default the best approximation of the teacher's gate, of type ``degree``: (3, 2) for relu, (9, 8) otherwise.
    Coefficients and both scales are then fitted to the teacher's codes on calibration vectors, in L2, by L-BFGS.

    Raises
    ------
    ValueError
        if the SAE has a rational activation already, the widths differ, or an argument belongs to the other support.
    """
    if sae.activation is not None:
        raise ValueError("this SAE has a rational activation already; calibrate takes a teacher with its own gate")
    if hidden_states.d_in != sae.width:
        raise ValueError(f"the hidden states have width {hidden_states.d_in}, but the SAE takes {sae.taken}")
    if sae.transcodes and (support == "paper" or "norm" in (inputs or ())):
        raise ValueError("the curve of a transcoder is on the exact support, and reads the ratio tau / h alone")
    if support == "exact":
        if degree is not None:
            raise ValueError("degree belongs to support='paper'; on the exact support give the rational itself")
        if rational is not None and denominator is not None:
            raise ValueError("give the rational or its denominator, not both: a rational says what it is divided by")
        if denominator not in (None, *IDENTITIES):
            raise ValueError(f"denominator must be 'fixed' or 'trainable', not {denominator!r}")
        start = IDENTITY if denominator is None else IDENTITIES[denominator]
        return _exact(sae, start if rational is None else rational, inputs)
    if support != "paper":
        raise ValueError(f"support must be 'exact' or 'paper', not {support!r}")
    if inputs is not None or denominator is not None:
        raise ValueError(
            "inputs and denominator belong to support='exact'; the paper's activation reads the pre-activation alone, "
            "and its denominator is trained"
        )
    return _paper(sae, hidden_states.calibration[:SAMPLE].float(), rational, degree)


def usual_inputs(sae: SparseAutoencoder) -> Inputs:
    """What a curve reads by default: the ratio and the norm share, but of a ReLU and of a transcoder the ratio alone.

    Where features are known, a ReLU's curve that reads the norm share harms them (docs/measured/features.md); what a
    transcoder leaves of its target is unknown when it encodes.
    """
    return ("ratio",) if sae.transcodes or sae.family == "relu" else ("ratio", "norm")


def _exact(sae: SparseAutoencoder, rational: Rational, inputs: Sequence[str] | None) -> SparseAutoencoder:
    if sae.threshold is not None and (count := int(sae.latents.sum((sae.threshold < 0).sum()))):
        raise ValueError(f"{count} JumpReLU thresholds are negative, where the ratio tau / h has no meaning")
    gate = RationalActivation(rational, usual_inputs(sae) if inputs is None else inputs)
    try:
        started = fold_decoder_norms(sae)
    except ValueError:
        started = copy.deepcopy(sae)
    started.activation = gate.to(sae.W_enc.device)
    return started


def paper_gate(sae: SparseAutoencoder, h: Tensor, scale: float, degree: tuple[int, int] | None = None) -> Rational:
    """The best approximation on [-1, 1] of the teacher's gate in ``t = h / scale``, with a gap of 0.05 around its jump.

    A TopK or JumpReLU teacher gives the median of its thresholds; Remez exchange, as certified by `rational_approx`.
    """
    if sae.family == "relu":
        return fit(gates.relu(), degree or (3, 2), (-1, 1)).rational.chebyshev()
    if sae.threshold is not None:
        level = float(sae.latents.all(sae.threshold.detach()).median())
    else:
        assert sae.k is not None
        level = float(h.topk(min(sae.k + 1, sae.d_sae), dim=-1).values[..., -1].median())
    cut = min(max(level / scale, 0.03), 0.9)
    # Coefficients and scales are fitted to the teacher afterwards, so a threshold nearby serves where the exchange
    # finds no best approximant for this one.
    for nearby in (0.0, 0.01, -0.01, 0.02, -0.02):
        try:
            return fit(gates.jumprelu(f"{cut + nearby:.2f}", gap="0.05"), degree or (9, 8)).rational.chebyshev()
        except DidNotConverge as error:
            failure = error
    raise failure


def _paper(
    sae: SparseAutoencoder, x: Tensor, rational: Rational | None, degree: tuple[int, int] | None
) -> SparseAutoencoder:
    teacher = fold_decoder_norms(sae)
    with torch.no_grad():
        inputs = teacher.conventions.normalised(x.to(sae.W_enc.device))[0]
        h = teacher.latents.all(teacher.pre_activations(inputs), 1)
        codes = teacher.latents.all(teacher.encode(x.to(sae.W_enc.device)), 1)
        scale = float(h.abs().max())
    if not bool((codes != 0).any()):
        raise ValueError("the teacher fires on none of the calibration vectors, so there are no codes to calibrate to")
    gate = PaperActivation(
        rational or paper_gate(teacher, h, scale, degree),
        input_scale=scale,
        output_scale=scale,
        tolerance=1e-2 * float(codes[codes != 0].mean()),
    ).to(h.device)
    flat = torch.stack([h.flatten(), codes.flatten()])
    if flat.shape[1] > ENTRIES:
        chosen = torch.randperm(flat.shape[1], generator=torch.Generator().manual_seed(0))[:ENTRIES]
        flat = flat[:, chosen.to(flat.device)]
    _least_squares(gate, flat[0], flat[1])
    teacher.activation = gate
    return teacher


def _least_squares(gate: PaperActivation, h: Tensor, codes: Tensor) -> None:
    """Fit (P, B, C, C_in, C_out) to codes on pre-activations; never ends worse than it began."""
    power = codes.square().mean()
    optimiser = torch.optim.LBFGS(gate.parameters(), max_iter=30, line_search_fn="strong_wolfe")
    before = copy.deepcopy(gate.state_dict())

    def loss() -> Tensor:
        return (gate(h) - codes).square().mean() / power

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()
        return value

    with torch.no_grad():
        start = float(loss())
    optimiser.step(closure)
    with torch.no_grad():
        end = float(loss())
        if not end <= start or not float(gate.input_scale) > 0:
            gate.load_state_dict(before)
