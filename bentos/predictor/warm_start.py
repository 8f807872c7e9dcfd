"""A release's memory of recent rows, taken from the prediction log.

The log is the state: what a request may see is the release's history and the rows that stand in
the log before it. So a process that was killed, and a release that takes over, know what the
process before them knew.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from ml_assets.core.arrow_columns import moment_of
from ml_assets.core.contract import Column
from ml_assets.core.errors import ArtefactError
from ml_assets.core.log_records import Record, read_records
from ml_assets.core.prediction import Predictor
from ml_assets.core.recent_rows import KEPT_LOOKBACKS, ROWS_BEFORE_FORGETTING
from ml_assets.core.request_rows import EVENT_TIME, RequestRows

# Clocks of callers may be ahead: a row may have come this long before it happened.
CLOCK_SKEW = timedelta(hours=1)
logger = logging.getLogger(__name__)

_TYPES: dict[str, type | tuple[type, ...]] = {
    "float": (float, int),
    "integer": int,
    "string": str,
    "boolean": bool,
    "datetime": (str, datetime),
}


@dataclass(frozen=True)
class LoggedRow:
    """What one line of the log says of a row that came.

    Attributes:
        at: When it was answered.
        event_time: When it happened.
        version: Version that answered.
        revision: Revision of the deployment.
        inputs: The row.
    """

    at: datetime
    event_time: datetime
    version: str
    revision: int
    inputs: dict[str, Any]


class WarmStart:
    """Brings what the log holds into the memory of releases; each call reads on where it was.

    Args:
        spool: Folder of all problems' logs.
        predictor: Release whose memory is filled.
        revision: Revision under which it serves.
    """

    def __init__(self, spool: Path, predictor: Predictor, *, revision: int) -> None:
        self._folder = spool / predictor.release.problem
        self._predictor = predictor
        self._revision = revision
        self._read_up_to: dict[Path, int] = {}

    def recall(self) -> int:
        """Take in the rows that were logged since the last call, and return their number."""
        reach = KEPT_LOOKBACKS * self._predictor.release.reach.rows
        if not reach:
            return 0
        newest: deque[LoggedRow] = deque(maxlen=self._predictor.release.recent_rows.in_all)
        for segments in self._hours(reach):
            rows = (row for path in segments for row in READERS[path.suffix](self, path))
            newest.extend(sorted(rows, key=lambda row: row.at))
        if not newest:
            return 0
        latest = sorted(row.event_time for row in list(newest)[-ROWS_BEFORE_FORGETTING:])
        since = latest[(len(latest) - 1) // 2] - reach
        rows = [row for row in newest if row.event_time >= since]
        self._predictor.features.recall(self._as_request(rows), own=[*map(self._is_own, rows)])
        return len(rows)

    def _hours(self, reach: timedelta) -> Iterator[list[Path]]:
        """Yield the segments of each hour that can hold rows in reach, oldest first."""
        hours: dict[datetime, list[Path]] = {}
        for path in sorted(self._folder.glob("*/????-??-??/??/*.*")):
            if path.suffix in READERS:
                hours.setdefault(_hour(path), []).append(path)
        since = max(hours, default=datetime.max.replace(tzinfo=UTC)) - reach - CLOCK_SKEW
        for hour in sorted(hours):
            if hour + timedelta(hours=1) > since:
                yield hours[hour]

    def _new_lines(self, path: Path) -> Iterator[LoggedRow]:
        with path.open("rb") as file:
            file.seek(self._read_up_to.get(path, 0))
            for line in file:
                # A line without its end is being written, or was when its process was killed.
                if not line.endswith(b"\n"):
                    break
                self._read_up_to[path] = self._read_up_to.get(path, 0) + len(line)
                try:
                    yield _row(orjson.loads(line))
                except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
                    logger.warning("A line of %s is damaged; its row is not recalled.", path)

    def _new_records(self, path: Path) -> Iterator[LoggedRow]:
        start = self._read_up_to.get(path, 0)
        with path.open("rb") as file:
            file.seek(start)
            content = memoryview(file.read())
        try:
            for record, end in read_records(content, segment=str(path)):
                self._read_up_to[path] = start + end
                yield from _rows(record)
        except ArtefactError:
            logger.warning("A record of %s is damaged; rows from there on are not recalled.", path)

    def _is_own(self, row: LoggedRow) -> bool:
        # Packed releases all have revision 0.
        packed = self._revision == 0
        release = self._predictor.release
        return row.revision == self._revision and (not packed or row.version == release.version)

    def _as_request(self, rows: list[LoggedRow]) -> RequestRows:
        columns = {
            column.name: [_value(column, row.inputs.get(column.name)) for row in rows]
            for column in self._predictor.contract.columns
            if column.name != EVENT_TIME
        }
        return RequestRows([row.event_time for row in rows], columns)


# How the rows of a segment are read that were not read before, by its ending.
READERS: Mapping[str, Callable[[WarmStart, Path], Iterator[LoggedRow]]] = {
    ".jsonl": WarmStart._new_lines,  # noqa: SLF001 - they are its own
    ".records": WarmStart._new_records,  # noqa: SLF001
}


def _hour(path: Path) -> datetime:
    day, hour = path.parts[-3:-1]
    return datetime.strptime(f"{day} {hour}", "%Y-%m-%d %H").replace(tzinfo=UTC)


def _rows(record: Record) -> Iterator[LoggedRow]:
    columns = record.rows.columns
    names = record.rows.schema.names
    inputs = columns[names.index("inputs")].to_pylist()
    moments = columns[names.index(EVENT_TIME)].cast(pa.int64()).to_pylist()
    for since, row in zip(moments, inputs, strict=True):
        yield LoggedRow(record.at, moment_of(since), record.version, record.revision, row)


def _row(line: dict[str, Any]) -> LoggedRow:
    moment = datetime.fromisoformat(line["event_time"])
    return LoggedRow(
        datetime.fromisoformat(line["at"]),
        moment.astimezone(UTC),
        line["version"],
        line["revision"],
        line["inputs"],
    )


def _value(column: Column, value: Any) -> Any:  # noqa: ANN401
    """Return a logged value; what another contract's value cannot be is missing."""
    if value is None or not isinstance(value, _TYPES[column.kind]):
        return None
    if column.kind != "datetime":
        return value
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.astimezone(UTC)
