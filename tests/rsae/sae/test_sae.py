"""The teacher's own arithmetic, against its equations written out."""

import copy

import numpy as np
import pytest
import torch

from rsae.activations.ratio import IDENTITY, RationalActivation
from rsae.evaluation.certificates import distance_bound
from rsae.evaluation.continuity import continuity
from rsae.evaluation.errors import token_errors
from rsae.evaluation.histograms import histograms
from rsae.evaluation.metrics import evaluate
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.conventions import Conventions
from rsae.sae.fold import fold_decoder_norms
from rsae.sae.refinement import REFINEMENTS, corrected, least_squares_gain
from rsae.training.l0 import match_l0, mean_l0
from tests.rsae.material.saes import random_sae, random_weights

X = torch.randn(50, 8, generator=torch.Generator().manual_seed(3))


def by_hand(sae: SparseAutoencoder, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes and reconstruction in float64 numpy."""
    w, b, d, c = (p.detach().double().numpy() for p in (sae.W_enc, sae.b_enc, sae.W_dec, sae.b_dec))
    shift, scale, epsilon = np.zeros((len(x), 1)), np.ones((len(x), 1)), 0.0
    if sae.conventions.normalise == "layer_norm":
        shift, scale, epsilon = x.mean(1, keepdims=True), x.std(1, ddof=1, keepdims=True), 1e-5
    elif sae.conventions.normalise == "constant_norm_rescale":
        scale = np.linalg.norm(x, axis=1, keepdims=True) / np.sqrt(x.shape[1])
    u = (x - shift) / (scale + epsilon)
    h = (u - c if sae.conventions.apply_b_dec_to_input else u) @ w + b
    norms = np.linalg.norm(d, axis=1)
    if sae.conventions.rescale_by_decoder_norm:
        h, d = h * norms, d / norms[:, None]
    if sae.family == "topk":
        z = np.zeros_like(h)
        for row, values in enumerate(h):
            top = np.argsort(-values)[: sae.k]
            z[row, top] = np.maximum(values[top], 0)
    elif sae.family == "groupmax":
        groups = h.reshape(len(h), sae.k, -1)
        z = np.where(groups == groups.max(-1, keepdims=True), np.maximum(groups, 0), 0).reshape(h.shape)
    else:
        z = h * (h > (0.0 if sae.threshold is None else sae.threshold.detach().double().numpy()))
    return z, (z @ d + c) * scale + shift


@pytest.mark.parametrize("normalise", ["none", "layer_norm", "constant_norm_rescale"])
@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("relu", {}),
        ("relu", {"apply_b_dec_to_input": False}),
        ("jumprelu", {}),
        ("topk", {}),
        ("topk", {"rescale_by_decoder_norm": True}),
        ("groupmax", {}),
        ("groupmax", {"k": 24}),
    ],
)
def test_codes_and_reconstruction_follow_the_equations(family: str, options: dict, normalise: str) -> None:
    sae = random_sae(family, normalise=normalise, **options)
    codes, reconstruction, h = sae(X)
    wanted_codes, wanted = by_hand(sae, X.double().numpy())
    np.testing.assert_allclose(codes.detach(), wanted_codes, atol=1e-5)
    np.testing.assert_allclose(reconstruction.detach(), wanted, atol=2e-5)
    assert h.shape == codes.shape
    torch.testing.assert_close(sae.encode(X), codes)
    assert ((codes == 0) == torch.as_tensor(wanted_codes == 0)).all()


def bent(sae: SparseAutoencoder, inputs: tuple[str, ...]) -> SparseAutoencoder:
    """The SAE with a curve that is not constant in any of its inputs."""
    sae.activation = RationalActivation(inputs=inputs)
    with torch.no_grad():
        for parameter in sae.activation.parameters():
            parameter.add_(0.05 * torch.arange(1.0, parameter.numel() + 1).cos())
    return sae


def test_folding_refuses_where_it_would_change_the_norm_share() -> None:
    for family in ("relu", "jumprelu"):
        with pytest.raises(ValueError, match="would change the norm share"):
            fold_decoder_norms(bent(random_sae(family), ("ratio", "norm")))
        there = fold_decoder_norms(random_sae(family))
        folded = fold_decoder_norms(bent(there, ("ratio", "norm")))
        torch.testing.assert_close(folded(X).reconstruction, there(X).reconstruction, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("family", "inputs"),
    [
        *((family, inputs) for family in ("relu", "jumprelu", "topk") for inputs in ((), ("ratio",))),
        ("topk", ("ratio", "norm")),
    ],
)
def test_folding_decoder_norms_changes_nothing(family: str, inputs: tuple[str, ...]) -> None:
    sae = random_sae(family, **({"rescale_by_decoder_norm": True} if family == "topk" else {}))
    sae = bent(sae, inputs) if inputs else sae
    folded = fold_decoder_norms(sae)
    torch.testing.assert_close(folded.W_dec.norm(dim=1), torch.ones(24))
    torch.testing.assert_close(folded(X).reconstruction, sae(X).reconstruction, atol=2e-5, rtol=1e-5)
    assert ((folded.encode(X) != 0) == (sae.encode(X) != 0)).all()


def test_a_row_of_norm_zero_stays_silent_after_folding() -> None:
    weights = random_weights()
    weights["W_dec"][5] = 0.0
    weights["b_enc"][5] = 100.0
    sae = SparseAutoencoder(**weights, family="topk", k=3, conventions=Conventions(rescale_by_decoder_norm=True))
    folded = fold_decoder_norms(sae)
    assert (folded.encode(X)[:, 5] == 0).all()
    torch.testing.assert_close(folded(X).reconstruction, sae(X).reconstruction, atol=2e-5, rtol=1e-5)


def test_folding_refuses_where_it_would_change_the_selection() -> None:
    with pytest.raises(ValueError, match="would change which latents"):
        fold_decoder_norms(random_sae("topk"))


def test_topk_keeps_k_on_ties_and_allows_k_equal_d_sae() -> None:
    eye = torch.eye(3)
    tie = SparseAutoencoder(W_enc=eye, b_enc=[0, 0, 0], W_dec=eye, b_dec=[0, 0, 0], family="topk", k=2)
    assert int((tie.encode(torch.ones(1, 3)) != 0).sum()) == 2
    full = SparseAutoencoder(W_enc=eye, b_enc=[0, 0, 0], W_dec=eye, b_dec=[0, 0, 0], family="topk", k=3)
    full.activation = RationalActivation()
    torch.testing.assert_close(full(torch.ones(1, 3)).reconstruction, torch.ones(1, 3))


@pytest.mark.parametrize("refine", REFINEMENTS[1:])
@pytest.mark.parametrize("family", ["relu", "jumprelu", "topk"])
def test_refinements_keep_the_support_and_start_no_worse(family: str, refine: str) -> None:
    plain, refined = random_sae(family), random_sae(family, refine=refine)
    errors = [(sae(X).reconstruction - X).square().sum(1) for sae in (plain, refined)]
    assert (errors[1] <= errors[0] * (1 + 1e-5)).all()
    assert ((refined.encode(X) != 0) == (plain.encode(X) != 0)).all()
    if refine == "gain":
        assert errors[1].sum() < 0.99 * errors[0].sum()


def test_the_gain_is_the_least_squares_one_within_its_bounds() -> None:
    image = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    gain = least_squares_gain(torch.tensor([[1.5, 9.0], [7.0, 0.0], [1.0, 1.0]]), image)
    assert gain.flatten().tolist() == [1.5, 2.0, 1.0]


def test_the_searched_step_is_the_best_along_its_direction() -> None:
    """Where no code is held at 0, no other length of the step has a lower error, for any token."""
    plain = random_sae("topk")
    rows = plain.W_dec.detach()
    codes = plain.encode(X) + 100.0 * (plain.encode(X) != 0)  # so far from 0 that none is held there
    target = codes @ rows + torch.randn(len(X), 8, generator=torch.Generator().manual_seed(3))

    def error(length: float, searched: bool) -> torch.Tensor:
        _, image = corrected(
            codes,
            codes @ rows,
            target,
            steps=torch.tensor(length),
            searched=searched,
            decode=lambda z: z @ rows,
            pull=lambda left: left @ rows.T,
            spread=lambda each: each,
        )
        return (target - image).square().sum(1)

    best = error(1.0, True)
    for length in (0.01, 0.1, 0.3, 1.0):
        assert (best <= error(length, False) * (1 + 1e-4)).all()
    for factor in (0.8, 1.2):
        assert (best <= error(factor, True) * (1 + 1e-4)).all()


def test_norms_are_not_folded_through_a_refinement_that_has_moved() -> None:
    refined = random_sae("jumprelu", refine="residual_twice")
    torch.testing.assert_close(fold_decoder_norms(refined)(X).reconstruction, refined(X).reconstruction)
    assert refined.residual_step is not None
    refined.residual_step.data.fill_(0.05)
    with pytest.raises(ValueError, match="would change what the refinement 'residual_twice' does"):
        fold_decoder_norms(refined)


def test_two_passes_are_one_after_the_other() -> None:
    once, twice = (random_sae("topk", refine=refine) for refine in ("residual", "residual_twice"))
    assert once.residual_step is not None
    assert twice.residual_step is not None
    once.residual_step.data.fill_(0.05)
    twice.residual_step.data.copy_(torch.tensor([0.05, 0.0]))
    assert torch.equal(once.encode(X), twice.encode(X))
    twice.residual_step.data.copy_(torch.tensor([0.05, 0.05]))
    assert (twice(X).reconstruction - X).square().sum() < (once(X).reconstruction - X).square().sum()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b_enc": torch.zeros(3)}, "b_enc must have shape"),
        ({"W_dec": torch.zeros(8, 24)}, "W_dec must have shape"),
        ({"W_enc": torch.zeros(8)}, "W_enc must have shape"),
        ({"b_dec": torch.full((8,), float("nan"))}, "NaN or infinite"),
        ({"family": "gelu"}, "family must be"),
        ({"k": 3}, "needs k"),
        ({"family": "topk", "k": 25}, "k must be an integer"),
        ({"family": "topk", "k": True}, "k must be an integer"),
        ({"family": "jumprelu"}, "needs a threshold"),
        ({"refine": "more"}, "refine must be"),
        ({"conventions": Conventions(rescale_by_decoder_norm=True)}, "is for family 'topk'"),
    ],
)
def test_what_does_not_fit_together_is_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SparseAutoencoder(**{**random_weights(), "family": "relu", **change})


def test_an_unknown_normalisation_is_refused() -> None:
    with pytest.raises(ValueError, match="normalise must be one of none, layer_norm"):
        Conventions(normalise="batch")


def test_inputs_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="width d_in = 8"):
        random_sae("relu")(torch.zeros(2, 9))


@pytest.mark.parametrize("family", ["relu", "jumprelu", "topk", "groupmax"])
def test_what_is_measured_in_pieces_does_not_depend_on_their_size(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates took 4,096 tokens at a time, whatever their codes weigh: 10 GB at d_sae = 65,536."""
    sae = random_sae(family)
    sae.activation = RationalActivation(IDENTITY)
    x = torch.randn(300, sae.d_in, generator=torch.Generator().manual_seed(5))

    def measured() -> list[object]:
        match = float(match_l0(copy.deepcopy(sae), x, 2.0).b_enc.detach().sum())
        return [
            distance_bound(random_sae(family), sae, x),
            histograms(sae, sae, x),
            continuity(sae, sae, x).to_json({}, len(x)),
            token_errors(sae, x).tolist(),
            [mean_l0(sae, x), match],
            {name: pytest.approx(metric.value, rel=1e-12) for name, metric in evaluate(sae, x).items()},
        ]

    whole, sizes, forward = measured(), [], SparseAutoencoder.pre_activations

    def noted(self: SparseAutoencoder, x: torch.Tensor) -> torch.Tensor:
        sizes.append(x.shape[0])
        return forward(self, x)

    monkeypatch.setattr("rsae.sae.autoencoder._ENTRIES", 24 * 64)
    monkeypatch.setattr(SparseAutoencoder, "pre_activations", noted)
    assert measured() == whole
    assert max(sizes) == 64
