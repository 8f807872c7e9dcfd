"""How the model is served, watched, labelled and renewed."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from ml_assets.core.problem.assurance import Interventions, PredictionInterval, Unfamiliar
from ml_assets.core.problem.base import Declaration, Duration, PositiveDuration, faults_at
from ml_assets.core.problem.traffic import Traffic

Share = Annotated[float, Field(ge=0, le=1)]
ADDRESS = r"^[^@\s<>,]+@[^@\s<>,]+$"


class Quality(Declaration):
    """How much bad data a partition may hold."""

    max_rejected: Share = Field(default=0.05, description="Share of rejected rows that blocks.")
    min_rows: NonNegativeInt = Field(default=0, description="Rows a partition should hold.")
    volume_drop: Share = Field(
        default=0.5, description="Warn when a partition holds this share fewer rows than usual."
    )
    max_gap: PositiveDuration | None = Field(
        default=None, description="Warn when no row comes for longer than this."
    )


class RateLimit(Declaration):
    """How often one caller may ask: with one key, or from one address where there are no keys."""

    requests_per_second: PositiveFloat
    burst: PositiveInt = Field(description="Requests that may come at once.")


class RecentRows(Declaration):
    """How many rows the server remembers for features that look back; the oldest go first."""

    per_entity: PositiveInt = Field(default=100_000, description="Rows of one entity.")
    in_all: PositiveInt = Field(default=1_000_000, description="Rows of all entities.")


class Serving(Declaration):
    """How the champion answers, and how a challenger comes to."""

    max_rows: PositiveInt = Field(default=1000, description="Rows in one request.")
    latency_ms: PositiveFloat = Field(
        default=200.0, description="Median time to answer one row that a release must keep."
    )
    unknown_category: Literal["accept", "reject"] = "accept"
    traffic: Traffic = Traffic()
    rate_limit: RateLimit | None = Field(default=None, description="By default there is none.")
    recent_rows: RecentRows = RecentRows()
    interval: PredictionInterval | None = Field(
        default=PredictionInterval(), description="null for predictions alone."
    )
    unfamiliar: Unfamiliar = Field(
        default="flag",
        description="What happens to a row far from the training rows. answer: nothing, it is not "
        "looked for; flag: the answer says so; reject: it gets 422; fallback: the best baseline "
        "answers.",
    )
    unfamiliar_rate: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        default=0.001, description="Share of familiar rows that may be taken for unfamiliar ones."
    )
    interventions: Interventions = Interventions()


class Monitoring(Declaration):
    """How production is watched. Windows are whole hours."""

    window: PositiveDuration = Field(default="PT1H", validate_default=True)
    scales: tuple[PositiveInt, ...] = Field(
        default=(1, 2, 4, 24), description="Window lengths that are tested, in windows."
    )
    season: PositiveDuration | None = Field(
        default=None, description="Length after which the data repeats, such as P1D or P7D."
    )
    min_rows: PositiveInt = Field(default=200, description="Rows a verdict needs, at least.")
    min_effect: PositiveFloat = Field(
        default=0.1, description="Smallest change that counts, in standard deviations."
    )
    false_alarms_per_month: PositiveFloat = Field(
        default=1.0, description="Alarms without drift that are accepted, over all columns."
    )
    reference_windows: PositiveInt = Field(
        default=40, description="Windows of the training data that calibrate the test, at most."
    )

    @model_validator(mode="after")
    def _demand_whole_season(self) -> Self:
        if self.season is not None and (
            self.season <= self.window or self.season % self.window != timedelta(0)
        ):
            message = (
                f"The season {self.season} is no whole number of windows of {self.window}, at "
                "least two. Windows are compared with those of the same phase: choose a window "
                "that divides the season."
            )
            raise ValueError(message)
        return self


Trigger = Literal["drift", "realised", "estimated", "audited"]


class Retraining(Declaration):
    """When a new cutoff is trained, and when a retraining is worth it."""

    cron: str | None = Field(default=None, description="Regular retraining, drift or not.")
    triggers: tuple[Trigger, ...] = Field(
        default=("drift",),
        description="What else may cause one: drift, or a loss that has risen as labels say "
        "(realised), as is estimated without labels, or as a random audit says.",
    )
    cost: NonNegativeFloat = Field(
        default=0.05,
        description="What a retraining costs, in days of the usual loss: at 0.05 it is worth it "
        "where it takes 5 % off the loss for a day.",
    )
    expected_recovery: Share = Field(
        default=0.5,
        description="Share of a risen loss that a retraining is expected to take away, until past "
        "retrainings say more.",
    )
    cooldown: Duration = Field(default="P1D", validate_default=True)
    max_per_day: PositiveInt = 2
    max_per_month: PositiveInt = Field(default=20, description="In any 30 days.")
    give_up_after: PositiveInt = Field(
        default=3, description="Retrainings in a row that were not promoted, before a pause."
    )
    pause: PositiveDuration = Field(
        default="P7D",
        validate_default=True,
        description="Length of that pause; it doubles each time that the next one fails as well.",
    )
    settles_after: PositiveDuration = Field(
        default="P14D",
        validate_default=True,
        description="A fault of the data that stayed the same for so long, and three windows, is "
        "taken for the world as it is now: it is learned from, if the gates let it through.",
    )


class Labelling(Declaration):
    """Which production rows are sent to be labelled."""

    daily_budget: NonNegativeInt = Field(default=0, description="Rows a day; 0 turns it off.")
    audit_share: Share = Field(
        default=0.5, description="Part of the budget drawn at random: it judges the version."
    )
    disagreeing_share: Share = Field(
        default=0.5,
        description="Part of the rest for rows where models disagree; the others are the least "
        "certain ones.",
    )


class Email(Declaration):
    """A mail server, and who writes to whom. User and password are never declared."""

    host: str = Field(description="Name of the mail server.")
    port: PositiveInt = 587
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the connection is encrypted."
    )
    sender: str = Field(pattern=ADDRESS, description="Address that alerts come from.")
    to: tuple[Annotated[str, Field(pattern=ADDRESS)], ...] = Field(
        min_length=1, description="Addresses that alerts go to."
    )
    user_variable: str | None = Field(
        default=None, description="Environment variable that holds the user's name."
    )
    password_variable: str | None = Field(
        default=None, description="Environment variable that holds the password."
    )

    @model_validator(mode="after")
    def _user_and_password_go_together_and_encrypted(self) -> Self:
        named = (self.user_variable is not None, self.password_variable is not None)
        if any(named) and not all(named):
            lacking = "password_variable" if named[0] else "user_variable"
            raise faults_at({lacking: "Give both user_variable and password_variable, or neither."})
        if any(named) and self.security == "none":
            fault = "A password is not sent unencrypted. Use 'starttls' or 'tls'."
            raise faults_at({"security": fault})
        return self


class Alerts(Declaration):
    """Whom to tell. The log is always told."""

    webhook: str | None = Field(default=None, description="Address that gets a JSON POST.")
    email: Email | None = Field(default=None, description="Whom to write to.")
