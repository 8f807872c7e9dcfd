"""An experiment: the stages a challenger goes through in traffic, and what follows from a look.

Policy time is event time: how long a stage has lasted is read off the answered rows, so that a
replay decides as live operation did.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from ml_assets.core.deployment import Mode
from ml_assets.core.guard_rails import RailReading
from ml_assets.core.problem import Problem, Traffic
from ml_assets.core.sequential_test import Evidence, Rule

Action = Literal["promote", "roll_back", "next_step", "go_on", "withdraw"]
MODES: dict[str, Mode] = {"canary": "canary", "ab": "ab", "shadow_first": "canary"}


@dataclass(frozen=True)
class Stage:
    """One way of being in traffic.

    Attributes:
        mode: How the challenger takes part.
        share: Part of the keys that it answers; 0 in the shadow.
        hold: The shortest time before the next stage, or a promotion.
    """

    mode: Mode
    share: float
    hold: timedelta


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far an experiment has come.

    Attributes:
        stage: Place in the plan, from 0; None if its traffic was set by hand.
        in_stage: Event time since the stage's first answered row.
        in_all: Event time since the experiment's first answered row.
        proven: Whether an earlier stage has shown the challenger to be better.
    """

    stage: int | None
    in_stage: timedelta
    in_all: timedelta
    proven: bool = False


@dataclass(frozen=True)
class Move:
    """What follows, and why."""

    action: Action
    reason: str


def plan_of(traffic: Traffic) -> tuple[Stage, ...]:
    """Return the declared stages in order; none for a direct promotion."""
    if traffic.promotion == "direct":
        return ()
    mode = MODES[traffic.promotion]
    steps = tuple(Stage(mode, step.share, step.hold) for step in traffic.steps)
    if traffic.promotion == "shadow_first":
        return (Stage("shadow", 0.0, traffic.shadow), *steps)
    return steps


def rule_of(problem: Problem) -> Rule:
    """Return what the sequential test of one stage has to show.

    A challenger is promoted at one stage only, so that has all of alpha. Rolling back is possible
    at each, so they share it.
    """
    traffic, gates = problem.serving.traffic, problem.gates
    return Rule(
        alpha=traffic.alpha,
        alpha_roll_back=alpha_of_a_stage(traffic),
        allowed=gates.margin if gates.promote_when == "not_worse" else 0.0,
        min_rows=traffic.min_rows,
    )


def alpha_of_a_stage(traffic: Traffic) -> float:
    """Return the chance of an error that may be made at each stage."""
    return traffic.alpha / max(len(plan_of(traffic)), 1)


def next_move(
    traffic: Traffic, progress: Progress, evidence: Evidence, rails: Sequence[RailReading]
) -> Move:
    """Return what follows from a look at an experiment.

    Args:
        traffic: What was declared.
        progress: How far the experiment has come.
        evidence: What the labelled rows of its present stage say.
        rails: What the guard rails say of that stage.
    """
    broken = [rail for rail in rails if rail.broken]
    if broken:
        return Move("roll_back", "; ".join(_told(rail) for rail in broken))
    if evidence.verdict == "roll_back":
        return Move("roll_back", f"The challenger is worse: {_figures(evidence)}.")
    if progress.stage is None:
        return Move("go_on", f"Set by hand: a person decides. {_figures(evidence)}.")
    waiting = _waiting(traffic, progress, evidence)
    if waiting is None:
        return _forward(traffic, progress.stage, evidence)
    if progress.in_all >= traffic.max_duration:
        return Move("withdraw", f"Undecided after {traffic.max_duration}: {_figures(evidence)}.")
    return Move("go_on", waiting)


def _waiting(traffic: Traffic, progress: Progress, evidence: Evidence) -> str | None:
    """Say what the stage still waits for; None if it is over."""
    plan = plan_of(traffic)
    place = min(progress.stage or 0, len(plan) - 1)
    stage = plan[place]
    if progress.in_stage < stage.hold:
        return f"Held for {progress.in_stage} of {stage.hold}; {_figures(evidence)}."
    if not evidence.is_enough_data:
        found = min(evidence.champion_rows, evidence.challenger_rows)
        return f"{found} of {traffic.min_rows} labelled rows have come."
    if _needs_proof(plan, place) and not progress.proven and evidence.verdict != "promote":
        return f"Not decided yet: {_figures(evidence)}."
    return None


def _needs_proof(plan: Sequence[Stage], place: int) -> bool:
    return plan[place].mode == "shadow" or place == len(plan) - 1


def _forward(traffic: Traffic, place: int, evidence: Evidence) -> Move:
    plan = plan_of(traffic)
    if place < len(plan) - 1:
        after = plan[place + 1]
        return Move("next_step", f"On to {after.share:.0%}: no harm seen. {_figures(evidence)}.")
    return Move("promote", f"The challenger is proven: {_figures(evidence)}.")


def _figures(evidence: Evidence) -> str:
    if evidence.degrees == 0:
        return "no labelled rows to compare yet"
    return (
        f"its loss is {evidence.challenger_loss:.4g} against {evidence.champion_loss:.4g}, gain "
        f"{evidence.estimate:.4g} ({evidence.low:.4g} to {evidence.high:.4g}), "
        f"e-value {evidence.e_better:.3g} of {1 / evidence.rule.alpha:.3g}, "
        f"{evidence.challenger_rows} and {evidence.champion_rows} labelled rows"
    )


def _told(rail: RailReading) -> str:
    return (
        f"Guard rail {rail.rail}: {rail.observed:.3g} over {rail.rows} rows is above "
        f"{rail.bound:.3g} (e-value {rail.e_value:.3g} of {1 / rail.alpha:.3g})"
    )
