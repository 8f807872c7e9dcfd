"""What is said beside each prediction, and what may be done to it at once."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from ml_assets.core.problem.base import Declaration, PositiveDuration

InterventionKind = Literal["correct_bias", "recalibrate", "widen", "fall_back"]
Unfamiliar = Literal["answer", "flag", "reject", "fallback"]
EVERY_KIND: tuple[InterventionKind, ...] = ("correct_bias", "recalibrate", "widen", "fall_back")


class PredictionInterval(Declaration):
    """The interval, or the set of classes, that each prediction is given with."""

    coverage: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        default=0.9, description="Share of truths that the intervals hold."
    )
    adaptive: bool = Field(
        default=True, description="Follow the truths as they come, so that drift is covered too."
    )


class Interventions(Declaration):
    """What may be done at once to what the model says, and how far it may go."""

    mode: Literal["off", "propose", "apply"] = Field(
        default="apply",
        description="apply: do at once what is shown to help, for as long as it is; propose: say "
        "what would help, and change nothing.",
    )
    kinds: tuple[InterventionKind, ...] = Field(
        default=EVERY_KIND,
        description="correct_bias: add a constant; recalibrate: stretch and shift, or change the "
        "odds of classes; widen: wider intervals; fall_back: answer with the best baseline.",
    )
    largest_shift: PositiveFloat = Field(
        default=1.0, description="Change of a prediction, at most, in label standard deviations."
    )
    largest_slope: Annotated[float, Field(ge=1)] = Field(
        default=2.0, description="Factor by which predictions may be stretched, at most."
    )
    largest_odds: Annotated[float, Field(ge=1)] = Field(
        default=10.0, description="Factor by which the odds of a class may change, at most."
    )
    largest_widening: Annotated[float, Field(ge=1)] = Field(
        default=3.0, description="Factor by which intervals may be widened, at most."
    )
    lasts: PositiveDuration = Field(
        default="P7D", validate_default=True, description="Then an intervention ends by itself."
    )
    false_alarm_windows: Annotated[float, Field(ge=20)] = Field(
        default=1000.0,
        description="Monitoring windows to a needless intervention, on average at least.",
    )
