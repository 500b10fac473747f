"""`Plan`: what an upgrade will run, decided and checked before anything is trained."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from rsae import ranks, saebench
from rsae.activations.ratio import IDENTITIES, Denominator
from rsae.data.harvest import up_to
from rsae.data.sources import hidden_states as make_hidden_states
from rsae.data.states import HiddenStates
from rsae.evaluation.probing import Task
from rsae.formats import load_sae
from rsae.hosts.host import Host, as_host
from rsae.hosts.language_model import pick_device
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.division import divided
from rsae.sae.refinement import Refinement
from rsae.storage.checkpoint import fingerprint
from rsae.training.recipe import check_trainable
from rsae.upgrading.arms import WATERFALL, Arm, arms_for, curve_where_crowded
from rsae.upgrading.calibration import calibrate
from rsae.upgrading.checks import checked_l0
from rsae.upgrading.origin import check_origin

__all__ = ["DEFAULT", "Plan", "Settings", "planned", "set_apart"]

JUDGES = 4
ENOUGH, MANY = 1024, 65_536
_KEPT = ("control", "control_mse", "threshold", "upgraded")
WIDE = 1024
"""Below this d_in learning rates are those measured at 64 and 576, unless the control ends worse than its teacher."""


@dataclass(frozen=True)
class Settings:
    """How an upgrade is done, besides its length and its seeds; the defaults are what was measured to be best.

    support, inputs, refine:
        See `calibrate` and `SparseAutoencoder`. No refinement by default: it lowers the error most, and harms features
        where these are known (docs/measured/features.md).
    denominator:
        Of the curve on the exact support: ``"fixed"``, or ``"trainable"`` for the published type, which no teacher was
        seen to profit from (docs/measured/curves.md). The paper's is trained.
    ablations:
        Further columns: see `rsae.upgrading.arms.arms_for`.
    learning_rate, coefficient_rate, batch_size:
        Default: `rsae.training.recipe.recipe_for`, as measured at d_in = 64 and 576. From d_in = 1024 on, and where
        the control ends worse than the teacher, the learning rate is tuned: divided by 4 while that lowers the
        control's error on held-out vectors set apart, the same for all arms.
    objective, kl_share, kl_weight:
        ``"mse+kl"``: in the last ``kl_share`` of the steps of every arm the loss also holds, times ``kl_weight``, the
        divergence of the host's predictions (`rsae.training.recipe.Recipe`), with a further column ``control_mse``.
    anchor:
        Weight of a penalty in every arm that holds what latents read and write to the teacher's
        (`rsae.training.recipe.Recipe`), for little text or labelled latents: docs/measured/features.md. Default: none.
    rate_factor:
        A factor on every arm's learning rate in the place of tuning: another run's ``question["tuning"]["factor"]``.
    precision:
        ``"bfloat16"``: dense products of every arm's forward pass in half precision, for GPUs. Weights stay float32.
    checkpoint_every:
        Steps of an arm between two checkpoints.
    accept_mismatch:
        Go on where the SAE's metadata contradict the hidden states, or it explains them badly: else that is an error.
    saebench:
        SAEBench's core metrics, too, of teacher, control and upgraded (`rsae.saebench.core_metrics`).
    probe:
        Tasks of `rsae.evaluation.probing.tasks_of`, on which every column's codes are probed; they need a host.
    threads:
        Of torch on a CPU, for all of it; default: one, or as many as torch has, whichever takes a training step faster
        in a short timing at the start (`rsae.upgrading.threads`). Sums of other threads round otherwise.
    """

    support: Literal["exact", "paper"] = "exact"
    inputs: Sequence[str] | None = None
    denominator: Denominator = "fixed"
    refine: Refinement = "none"
    ablations: Sequence[str] = ()
    learning_rate: float | None = None
    coefficient_rate: float | None = None
    batch_size: int | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    objective: Literal["mse", "mse+kl"] = "mse"
    kl_share: float = 0.2
    kl_weight: float = 0.3
    anchor: float = 0.0
    rate_factor: float | None = None
    checkpoint_every: int = 250
    probe: Sequence[Task] = ()
    accept_mismatch: bool = False
    saebench: bool = False
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.denominator not in IDENTITIES:
            raise ValueError(f"denominator must be 'fixed' or 'trainable', not {self.denominator!r}")
        if self.objective not in ("mse", "mse+kl"):
            raise ValueError(f"objective must be 'mse' or 'mse+kl', not {self.objective!r}")
        if self.objective == "mse+kl" and self.kl_share == 0:
            raise ValueError("objective='mse+kl' needs a kl_share of the steps above 0")
        if self.threads is not None and (isinstance(self.threads, bool) or self.threads < 1):
            raise ValueError(f"threads must be a positive integer, or None (chosen by timing), not {self.threads!r}")

    @property
    def tuned(self) -> bool:
        """Whether the learning rate is tuned on the control."""
        return self.learning_rate is None and self.rate_factor is None

    def started(self, teacher: SparseAutoencoder, states: HiddenStates) -> tuple[SparseAutoencoder, dict[str, Arm]]:
        """The initialised SAE, and the arms."""
        curve = {"inputs": self.inputs, "denominator": self.denominator} if self.support == "exact" else {}
        initialised = calibrate(teacher, states, support=self.support, **curve)  # type: ignore[arg-type]
        names = ["refine", "ablations", "learning_rate", "coefficient_rate", "batch_size", "precision", "rate_factor"]
        names += ["anchor"]
        if self.objective == "mse+kl":
            names += ["kl_share", "kl_weight"]
        return initialised, arms_for(teacher, initialised, **{name: getattr(self, name) for name in names})


DEFAULT = Settings()


@dataclass(frozen=True)
class Plan:
    """What an upgrade will run: each arm once a seed, for ``steps`` (times its budget), and what judges the result.

    ``states`` are without the ``judges`` [n, d_in], held-out vectors that go into no column; ``target_l0`` is the L0
    that all arms keep; ``source`` names the teacher. Within a ``time_budget`` (seconds) ``steps`` are the most.
    """

    source: str
    teacher: SparseAutoencoder
    initialised: SparseAutoencoder
    arms: Mapping[str, Arm]
    states: HiddenStates
    judges: Tensor
    host: Host | None
    steps: int
    time_budget: float | None
    seeds: tuple[int, ...]
    target_l0: float
    device: torch.device
    settings: Settings

    @property
    def calibration(self) -> Tensor:
        """The calibration vectors [n, d_in] where arms are trained."""
        return self.states.calibration.to(self.device, torch.float32)

    @property
    def tuned_on(self) -> str:
        """The arm on which the learning rate is tuned: a control whose loss is what judges it, the squared error."""
        return "control_mse" if "control_mse" in self.arms else "control"

    @property
    def trusted(self) -> bool:
        """Whether learning rates were measured for SAEs of this width."""
        return self.teacher.d_in < WIDE

    @property
    def optional(self) -> list[str]:
        """Arms that may be left out where the time is short: the steps of a waterfall that was asked for."""
        asked = WATERFALL in self.settings.ablations
        return [name for name in self.arms if asked and name not in _KEPT]

    @property
    def weights(self) -> str:
        """The SHA-256 of the teacher's weights."""
        return self.teacher.latents.origin or fingerprint(self.teacher.parameters())

    def without(self, names: Collection[str]) -> "Plan":
        """The same plan without some arms."""
        return replace(self, arms={name: arm for name, arm in self.arms.items() if name not in names})

    def slowed(self, factor: float) -> "Plan":
        """The same plan with every arm's learning rate times ``factor``."""
        return replace(self, arms={name: arm.slowed(factor) for name, arm in self.arms.items()})

    def label(self, arm: str, seed: int) -> str:
        """What a training is called: its arm, and with several seeds its seed."""
        return arm if len(self.seeds) == 1 else f"{arm}, seed {seed}"

    def agreed(self) -> dict[str, Any]:
        """What a checkpoint has to agree on; of the vectors that are trained on, a sample."""
        states = self.states
        sample = states.train[:: max(1, len(states.train) // 65_536)]
        return {
            "format": 2,
            "teacher": self.weights,
            "hidden states": fingerprint([states.calibration, states.held_out, sample.float()]),
            "training vectors": len(states.train),
            "host": None if self.host is None else self.host.definition,
            "steps": self.steps if self.time_budget is None else "within a budget",
            "arms": {name: [asdict(arm.recipe), arm.budget, repr(arm.sae)] for name, arm in self.arms.items()},
            "device": self.device.type,
            "torch": torch.__version__,
            "seed": self.seeds[0],
            "seeds": len(self.seeds),
            "support": self.settings.support,
            "refine": self.settings.refine,
        } | ({} if self.settings.threads is None else {"threads": self.settings.threads})


def set_apart(hidden_states: HiddenStates) -> tuple[HiddenStates, Tensor]:
    """The last quarter of the held-out vectors (at most 65,536), the judges, and the hidden states without it.

    Rates and SAEs are judged on them [n, d_in], and nothing is measured for a report. They are held out because a
    teacher has as a rule seen the text that is trained on: there every change of it looks like a loss. From 1,024 on
    they are the calibration vectors, too: an arm fires more often on vectors that it has been trained on, and the more
    so the more it has learned of them, so that arms of equal L0 there differ in L0 elsewhere. A host that came with
    the hidden states keeps those contexts that lie before the judges.

    Raises
    ------
    ValueError
        for fewer than two held-out vectors.

    >>> states = HiddenStates(torch.zeros(9, 1), torch.zeros(9, 1), torch.arange(8.0)[:, None])
    >>> rest, judges = set_apart(states)
    >>> len(rest.held_out), judges.flatten().tolist()
    (6, [6.0, 7.0])
    """
    held_out, host = hidden_states.held_out, hidden_states.host
    if len(held_out) < 2:
        raise ValueError(
            f"{len(held_out)} held-out vectors are too few: some choose the learning rate and others measure the "
            "result; give more text, or a larger held_out"
        )
    kept = len(held_out) - min(max(1, len(held_out) // JUDGES), MANY)
    if host is not None:
        contexts = up_to(host.contexts, kept)
        host = Host(host.model, host.tokenizer, host.hook, contexts, outlier_norm=host.outlier_norm)
    judges = held_out[kept:].float()
    calibration = judges if len(judges) >= ENOUGH else hidden_states.calibration
    return replace(hidden_states, held_out=held_out[:kept], calibration=calibration, host=host), judges


def planned(
    sae: SparseAutoencoder | str | Path,
    hidden_states: HiddenStates | Any,
    *,
    host: Host | Any,
    steps: int | None,
    time_budget: float | None,
    seed: int,
    seeds: int,
    device: str | torch.device,
    settings: Settings,
) -> Plan:
    """The plan of an upgrade, for the arguments of `upgrade`.  Raises ValueError for what cannot be run."""
    if steps is not None and time_budget is not None:
        raise ValueError("give either steps or a time_budget, not both")
    place = pick_device(device)
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise ValueError(f"seeds must be a positive integer, not {seeds!r}")
    if not isinstance(hidden_states, HiddenStates):
        hidden_states = make_hidden_states(hidden_states)
    states, judges = set_apart(hidden_states)
    with ranks.in_turn():
        teacher = divided(load_sae(sae)).to(place)
    accepted = settings.accept_mismatch
    host = as_host(host, states.host)
    if teacher.metadata.get("nested") and not teacher.prefixes and not accepted:
        raise ValueError(
            "this SAE is nested (Matryoshka), but nothing says how wide its prefixes are, and training would undo the "
            "nesting: set sae.prefixes; accept_mismatch=True (--accept-mismatch) trains it as if it were not nested"
        )
    check_origin(teacher, states.question, host, accept_mismatch=accepted)
    initialised, arms = settings.started(teacher, states)
    first = arms["upgraded"]
    count = first.recipe.steps if steps is None else steps
    check_trainable(first.sae, states, count, first.recipe)
    if settings.probe and host is None:
        raise ValueError("probing reads texts with a host, but these hidden states have none; give host=")
    if settings.saebench:
        saebench.check(host)
    wanted = checked_l0(teacher, states.calibration.to(place, torch.float32), host, accept_mismatch=accepted)
    crowded = curve_where_crowded(teacher, wanted) if settings.support == "exact" else None
    if crowded is not None:
        rate = settings.coefficient_rate or crowded
        settings = replace(settings, coefficient_rate=rate, inputs=settings.inputs or ("ratio",))
        initialised, arms = settings.started(teacher, states)
    return Plan(
        source=str(sae if isinstance(sae, str | Path) else teacher.metadata.get("source", "an SAE in memory")),
        teacher=teacher,
        initialised=initialised,
        arms=arms,
        states=states,
        judges=judges,
        host=host,
        steps=count,
        time_budget=time_budget,
        seeds=tuple(range(seed, seed + seeds)),
        target_l0=wanted,
        device=place,
        settings=settings,
    )
