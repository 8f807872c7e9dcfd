"""Types of columns in the state database: moments in UTC and values as JSON."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa


class UtcMoment(sa.types.TypeDecorator[datetime]):
    """A moment in UTC, to the microsecond; one without a time zone is refused.

    SQLite keeps it as text that sorts in time, Postgres as TIMESTAMPTZ.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Convert ``value`` to UTC.

        Raises:
            ValueError: If it has no time zone.
        """
        return None if value is None else utc(value)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Give what SQLite returns its time zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class JsonText(sa.types.TypeDecorator[Mapping[str, Any]]):
    """A JSON object as text, byte for byte as it was written."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(
        self, value: Mapping[str, Any] | None, dialect: sa.Dialect
    ) -> str | None:
        """Write ``value`` as canonical JSON."""
        return None if value is None else canonical_json(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> dict[str, Any] | None:
        """Read the object back."""
        return None if value is None else json.loads(value)


def utc(moment: datetime) -> datetime:
    """Return ``moment`` in UTC.

    Raises:
        ValueError: If it has no time zone.
    """
    if moment.utcoffset() is None:
        message = f"A moment needs a time zone; found {moment!r}. Write datetime(…, tzinfo=UTC)."
        raise ValueError(message)
    return moment.astimezone(UTC)


def canonical_json(value: Mapping[str, Any]) -> str:
    """Return the one JSON text of ``value``: sorted keys, no spaces, ASCII, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
