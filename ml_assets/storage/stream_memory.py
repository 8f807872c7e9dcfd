"""What a release remembers of files that were scored before: rows to look back on."""

import hashlib
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from ml_assets.core.prediction import Predictor
from ml_assets.core.recent_rows import KEPT_LOOKBACKS, ROWS_BEFORE_FORGETTING
from ml_assets.core.request_rows import Refused, RequestRows
from ml_assets.core.request_schema import ROWS
from ml_assets.storage.stream_files import rows_of
from ml_assets.storage.stream_output import Entry, Outbox

Numbered = tuple[int, bytes]
logger = logging.getLogger(__name__)


def recall_scored(predictor: Predictor, outbox: Outbox, *, revision: int) -> None:
    """Bring the rows of scored files that are in reach into a predictor's memory.

    Args:
        predictor: A release that has seen no row yet.
        outbox: Says what was scored, in which order.
        revision: Revision of the deployment.
    """
    release = predictor.release
    reach, most = KEPT_LOOKBACKS * release.reach.rows, release.recent_rows.in_all
    if not reach:
        return
    newest_first: list[tuple[Entry, RequestRows]] = []
    latest: list[datetime] = []
    total = 0
    for entry in reversed(outbox.done()):
        newest = deque(_accepted(predictor, outbox, entry), -(-most // release.max_rows))
        for rows in reversed(newest):
            newest_first.append((entry, rows))
            latest += rows.event_times[: ROWS_BEFORE_FORGETTING - len(latest)]
            total += len(rows)
        clock = sorted(latest)[(len(latest) - 1) // 2] if latest else None
        if total >= most or (clock and _newest(newest_first, entry) < clock - reach):
            break
    for entry, rows in reversed(newest_first):
        predictor.features.recall(rows, own=[entry.revision == revision] * len(rows))


def _newest(parts: Sequence[tuple[Entry, RequestRows]], entry: Entry) -> datetime:
    times = [max(rows.event_times) for one, rows in parts if one == entry]
    return max(times, default=datetime.max.replace(tzinfo=UTC))


def _accepted(predictor: Predictor, outbox: Outbox, entry: Entry) -> Iterator[RequestRows]:
    path = Path(entry.path)
    if not path.is_file() or _digest(path) != entry.digest:
        logger.warning(
            "%s was scored, and is gone: features that look back on its rows miss them. "
            "Keep files as long as the lookback.",
            path,
        )
        return
    rejected = outbox.rejected(entry.digest)
    moment = moment_of(path)
    for chunk in chunks(numbered(path, predictor), predictor.release.max_rows):
        rows = [row for number, row in chunk if number not in rejected]
        decoded = decode(predictor, rows, now=moment) if rows else None
        if isinstance(decoded, RequestRows):
            yield decoded
            continue
        # A row may come twice in a file: they were requests of their own.
        for row in rows:
            alone = decode(predictor, [row], now=moment)
            if not isinstance(alone, Refused):
                yield alone


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def moment_of(path: Path) -> datetime:
    """Return when a file was written: the event time of its rows that carry none."""
    return datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)


def numbered(path: Path, predictor: Predictor) -> Iterator[Numbered]:
    """Yield the rows of a file with their numbers, from 0."""
    return enumerate(rows_of(path, predictor.contract))


def chunks(rows: Iterator[Numbered], size: int) -> Iterator[list[Numbered]]:
    """Yield rows, ``size`` at a time."""
    while chunk := list(islice(rows, size)):
        yield chunk


def decode(predictor: Predictor, rows: Sequence[bytes], *, now: datetime) -> RequestRows | Refused:
    """Return rows as a request holds them, or why they cannot be one."""
    if len(rows) == 1:
        return predictor.decode(rows[0], now=now)
    return predictor.decode(b'{"' + ROWS.encode() + b'":[' + b",".join(rows) + b"]}", now=now)
