"""How a challenger comes into traffic, and what it has to show there."""

from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from ml_assets.core.problem.base import Declaration, Duration, PositiveDuration

Promotion = Literal["direct", "canary", "ab", "shadow_first"]


class Step(Declaration):
    """A share of the traffic, and how long it is held."""

    share: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="Part of the keys that the challenger answers."
    )
    hold: Duration = Field(description="The shortest time before the next step, or a promotion.")


DAY = timedelta(days=1)
RAMP = tuple(Step(share=share, hold=DAY) for share in (0.05, 0.25, 0.5))
HALF = (Step(share=0.5, hold=DAY),)


class GuardRails(Declaration):
    """What ends an experiment at once. A challenger that does harm need not be proven worse."""

    max_errors: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.01, description="Share of rows that the challenger may fail to answer."
    )
    latency_ms: PositiveFloat | None = Field(
        default=None, description="Time to answer that is too long; default: serving.latency_ms."
    )
    max_slow: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.05, description="Share of rows that may take longer than that."
    )
    max_worsening: PositiveFloat = Field(
        default=0.5, description="Share of the champion's loss by which its own may be worse."
    )


class Traffic(Declaration):
    """How a challenger that the gates let through meets production."""

    promotion: Promotion = Field(
        default="direct",
        description="direct: it replaces the champion at once; canary: it answers more and more "
        "keys; ab: a fixed share of them; shadow_first: it answers unheard, then as a canary.",
    )
    steps: tuple[Step, ...] = Field(
        default=(), description="Shares and how long each is held; default: 5, 25, 50 % for a day."
    )
    shadow: Duration = Field(
        default="P1D", validate_default=True, description="Shortest time in the shadow."
    )
    routing_key: tuple[str, ...] = Field(
        default=(), description="Columns that choose who answers; default: the entity's keys."
    )
    min_rows: PositiveInt = Field(
        default=200, description="Labelled rows that each version needs in a step."
    )
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        default=0.05, description="Chance that a challenger which is not better is ever promoted."
    )
    max_duration: PositiveDuration = Field(
        default="P14D", validate_default=True, description="Then it is withdrawn, undecided."
    )
    guard_rails: GuardRails = GuardRails()

    @model_validator(mode="after")
    def _steps_fit_the_promotion(self) -> Self:
        if not self.steps:
            object.__setattr__(self, "steps", HALF if self.promotion == "ab" else RAMP)
        if self.promotion == "ab" and len(self.steps) > 1:
            message = "serving.traffic.promotion 'ab' has one step: its share. Use 'canary'."
            raise ValueError(message)
        shares = [step.share for step in self.steps]
        if any(after <= before for before, after in pairwise(shares)):
            message = f"The shares of serving.traffic.steps must grow; found {shares}."
            raise ValueError(message)
        holds = sum((step.hold for step in self.steps), timedelta())
        if self.promotion == "shadow_first":
            holds += self.shadow
        if self.promotion != "direct" and holds >= self.max_duration:
            message = (
                f"serving.traffic holds its steps for {holds}, and ends after max_duration "
                f"({self.max_duration}). Lengthen that, or shorten the steps."
            )
            raise ValueError(message)
        return self
