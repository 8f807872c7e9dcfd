"""When a row happened, and how its time is cut into partitions."""

from datetime import UTC, datetime, timedelta
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from ml_assets.core.problem.base import Declaration, PositiveDuration

ISO = "iso"
EPOCH_FORMATS = ("epoch_s", "epoch_ms")


class Sequence(Declaration):
    """An order in place of a time: row n happened `step` after row n-1."""

    column: str | None = Field(
        default=None,
        description="Integer column that orders the rows; by default the file's order.",
    )
    step: PositiveDuration = Field(description="Time given to one step of the sequence.")
    origin: datetime = Field(
        default=datetime(2000, 1, 1, tzinfo=UTC), description="Time given to step 0."
    )


class EventTime(Declaration):
    """How the event time of a row is read."""

    columns: tuple[str, ...] = Field(
        default=(),
        description="The time column, or several whose texts are joined by a space (date, hour).",
    )
    format: str = Field(
        default=ISO, description="'iso', 'epoch_s', 'epoch_ms' or a strptime format of the text."
    )
    timezone: str = Field(default="UTC", description="Zone of times that carry none.")
    known_at: str | None = Field(
        default=None, description="Column that says when a row became known; else its event time."
    )
    sequence: Sequence | None = None

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            message = f"Unknown time zone {zone!r}: use an IANA name such as 'Europe/Zurich'."
            raise ValueError(message) from error
        return zone

    @model_validator(mode="after")
    def _is_given_one_way(self) -> Self:
        if bool(self.columns) == (self.sequence is not None):
            message = "Event time needs either 'columns' or 'sequence', and not both."
            raise ValueError(message)
        return self


class Partitions(Declaration):
    """How the event time is cut. All bounds are UTC."""

    every: Literal["hour", "day", "week", "month"] = "day"
    start: datetime = Field(description="Start of the first partition.")
    end: datetime | None = Field(
        default=None, description="End of the last partition; by default they go on with the clock."
    )

    @field_validator("start", "end")
    @classmethod
    def _in_utc(cls, moment: datetime | None) -> datetime | None:
        if moment is None:
            return None
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.end is not None and self.end <= self.start:
            message = f"Partitions end ({self.end}) before they start ({self.start})."
            raise ValueError(message)
        return self

    @property
    def typical_length(self) -> timedelta:
        """Length of one partition; a month counts 30 days."""
        return {
            "hour": timedelta(hours=1),
            "day": timedelta(days=1),
            "week": timedelta(days=7),
            "month": timedelta(days=30),
        }[self.every]
