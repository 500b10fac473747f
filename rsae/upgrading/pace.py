"""How long an upgrade takes: a step of each arm and a pass over held-out vectors are timed before it begins, and the
expectation is corrected by what training really takes."""

import statistics
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rsae import ranks
from rsae.data.states import HiddenStates
from rsae.evaluation.errors import token_errors
from rsae.progress import Progress
from rsae.training.finetuning import started, stepping
from rsae.upgrading.arms import Arm
from rsae.upgrading.plan import Plan

__all__ = ["Pace", "pace_of", "seconds_a_step", "seconds_at_the_end", "steps_within"]

_WARM, _TIMED = 3, 12
_LEAST, _LONG = 3, 1.0  # steps, and seconds: of slow steps a few are enough
_RESERVE = 0.95
_EVIDENCE = 10 * 16_384  # vectors through SAEs for histograms, continuity and latents, at most
_PROOFS, _FILES = 0.5, 1.0  # exact proofs, and pictures, hang on nothing that grows; as measured, on one core of 2026


def seconds_a_step(arm: Arm, hidden_states: HiddenStates, calibration: Tensor, target_l0: float) -> float:
    """The median time of a training step of an arm, on a copy that is thrown away; the mean of all ranks.

    Of two stages the mean, each with its share.
    """
    share = arm.recipe.kl_share
    if 0 < share < 1:
        stages = [replace(arm, recipe=replace(arm.recipe, kl_share=whole)) for whole in (0.0, 1.0)]
        plain, spliced = (seconds_a_step(stage, hidden_states, calibration, target_l0) for stage in stages)
        return (1 - share) * plain + share * spliced
    slow = replace(arm.recipe, warmup=10**6, learning_rate=1e-6, coefficient_rate=1e-6)
    training, scale = started(arm.sae, slow, calibration, target_l0, steps=10**6)
    seconds, began = [], time.perf_counter()
    for error, _ in stepping(training, scale, hidden_states, slow.batch_size, 0, _WARM + _TIMED):
        float(error)  # waits for the device
        seconds.append(time.perf_counter() - began)
        if ranks.count() == 1 and len(seconds) >= _WARM + _LEAST and sum(seconds) > _LONG:
            break  # several ranks take as many steps each, whatever their clocks say
        began = time.perf_counter()
    return float(ranks.everyone().mean(torch.tensor(statistics.median(seconds[_WARM:]))))


def steps_within(seconds: float, costs: Iterable[float], measuring: float, most: int) -> int:
    """How many steps each training may have, at most ``most``, so that all end within a time.

    ``costs`` are seconds a step, one for each training; ``measuring`` is what all measurements take. A twentieth of the
    time is kept in reserve.

    Raises
    ------
    ValueError
        if not even 50 steps fit.

    >>> steps_within(100.0, [0.1, 0.1], measuring=15.0, most=2000)
    400
    """
    costs = list(costs)
    steps = int((_RESERVE * seconds - measuring) / sum(costs))
    if steps < 50:
        least = (50 * sum(costs) + measuring) / _RESERVE
        raise ValueError(
            f"{max(seconds, 0):.0f} s are left of the time budget, but 50 steps of each arm and their measurement take "
            f"{least:.0f} s; give more time or fewer arms"
        )
    return min(steps, most)


def seconds_at_the_end(plan: Plan, written: bool) -> float:
    """What comes after the last measurement: paired comparisons of arms, evidence, proofs, and files if any.

    Probing is not in it. What the SAE needs compiled is compiled before the clock starts.
    """
    float(token_errors(plan.initialised, plan.judges).sum())
    began = time.perf_counter()
    float(token_errors(plan.initialised, plan.judges).sum())  # waits for the device
    a_vector = (time.perf_counter() - began) / len(plan.judges)
    # Comparisons over seeds read nothing again; the distances that certificates state take three passes.
    arms = len(plan.arms)
    passes = 3 + (arms + 1) * (len(plan.seeds) == 1)
    fixed = _PROOFS + _FILES * written
    return fixed + a_vector * (passes * len(plan.states.held_out) + (arms + 3) * len(plan.judges) + _EVIDENCE)


@dataclass(frozen=True)
class Pace:
    """What a run will take. ``costs`` has the seconds a step of each training by its label, in order, budgets included.

    ``tries`` are those of trials of the learning rate before them (an arm that they train costs nothing afterwards);
    ``measuring`` says what one measurement takes as far as is known, and there is one for each label; ``ending`` is
    what comes after them.
    """

    costs: Mapping[str, float]
    measuring: Callable[[], float]
    tries: Sequence[float] = ()
    ending: float = 0.0

    def steps(self, seconds: float, most: int) -> int:
        """`steps_within` for all of it; the same on every rank."""
        rest = self.measuring() * len(self.costs) + self.ending
        seconds, rest = ranks.everyone().mean(torch.tensor([seconds, rest], dtype=torch.float64)).tolist()
        return steps_within(seconds, [*self.costs.values(), *self.tries], rest, most)

    def spared(self, plan: Plan, seconds: float) -> list[str]:
        """Optional arms to leave out, the costliest first, as long as less than half of the plan's steps fit."""
        spared: list[str] = []
        costs = dict(self.costs)
        for name in sorted(plan.optional, key=lambda name: -costs[plan.label(name, plan.seeds[0])]):
            each, rest = sum(costs.values()) + sum(self.tries), self.measuring() * len(costs) + self.ending
            if float(ranks.everyone().mean(torch.tensor(_RESERVE * seconds - rest))) >= plan.steps / 2 * each:
                break
            spared.append(name)
            for seed in plan.seeds:
                del costs[plan.label(name, seed)]
        return spared

    def without(self, labels: Collection[str]) -> "Pace":
        """The same without some trainings."""
        return replace(self, costs={label: cost for label, cost in self.costs.items() if label not in labels})

    def following(self, progress: Callable[[Progress], None], steps: int) -> Callable[[Progress], None]:
        """``progress``, given each event with the seconds left of the whole run in the place of its training's."""
        labels = list(self.costs)
        now, tried, slower = "", 0, 1.0

        def follow(event: Progress) -> None:
            nonlocal now, tried, slower
            if event.arm != now:
                now = event.arm
                tried += now not in self.costs
            trials: Sequence[float] = ()
            if now in self.costs:
                later = [self.costs[label] for label in labels[labels.index(now) + 1 :]]
                cost, unmeasured = self.costs[now], len(later) + 1
            else:
                later, unmeasured = list(self.costs.values()), len(labels)
                cost, trials = sum(self.tries[tried - 1 : tried]), self.tries[tried:]
            if event.step < event.steps and cost > 0:
                slower = event.seconds_left / (steps * cost * (1 - event.step / event.steps))
            rest = slower * steps * (sum(trials) + sum(later))
            rest += self.measuring() * unmeasured + self.ending
            progress(replace(event, seconds_left=event.seconds_left + rest))

        return follow


def pace_of(plan: Plan, measuring: Callable[[], float], ending: float) -> Pace:
    """The pace of a plan, by a step of each arm; what tuning trains costs nothing afterwards."""
    costs = {
        name: seconds_a_step(arm, plan.states, plan.calibration, plan.target_l0) for name, arm in plan.arms.items()
    }
    tuned, first = plan.settings.tuned, (plan.tuned_on, plan.seeds[0])
    each = {
        plan.label(name, seed): costs[name] * arm.budget * (not tuned or (name, seed) != first)
        for seed in plan.seeds
        for name, arm in plan.arms.items()
    }
    tries = (1 if plan.trusted else 2) if tuned else 0  # as a rule; more where the error goes on falling
    return Pace(each, measuring, [costs[plan.tuned_on]] * tries, ending)
