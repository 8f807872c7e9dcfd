"""The production profiles: one whylogs file for each problem, version and hour.

A profile is never overwritten. Rows that come late make the next revision of their hour, and the
newest revision counts; the same rows again make nothing new. What whylogs writes is random in
places, so it is the rows' own digest, kept in the profile, that says whether they are the same.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import pandas as pd

from ml_assets.core.errors import ArtefactError, DataError
from ml_assets.core.histograms import (
    REST,
    Bins,
    CategoryBins,
    ColumnCounts,
    NumericBins,
    ValueKind,
    WindowCounts,
    numbers,
    texts,
)
from ml_assets.core.reference import Reference
from ml_assets.storage.profile_counts import CountLayout

if TYPE_CHECKING:
    from ml_assets.storage.sketches import ColumnSketch, Profile

DIGEST = "rows_digest"
ROWS = "rows"
MOST_CATEGORIES = 500  # the sketch is exact up to about 700
FILE = re.compile(r"^(?P<hour>[01]\d|2[0-3])\.(?P<revision>\d+)\.whylogs$")
NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$")


@dataclass(frozen=True, order=True)
class StoredProfile:
    """Where a profile lies, and what it is of."""

    hour: datetime
    problem: str
    version: str
    revision: int
    path: Path


def profile_frame(
    frame: pd.DataFrame,
    kinds: Mapping[str, ValueKind],
    *,
    metadata: Mapping[str, str],
    timestamp: datetime,
) -> bytes:
    """Return the whylogs profile of one hour's rows.

    Args:
        frame: The rows; columns of any type, in any order.
        kinds: Columns to profile; one that the frame lacks is profiled as absent.
        metadata: Kept in the profile, such as the problem, the version and the reference.
        timestamp: Start of the hour, with a time zone.

    Raises:
        DataError: If the hour has no time zone or does not start on the hour.
    """
    from ml_assets.storage import sketches  # noqa: PLC0415 (whylogs takes seconds to import)

    hour = _whole_hour(timestamp)
    present = {name: kind for name, kind in kinds.items() if name in frame}
    canonical = pd.DataFrame(
        {
            name: numbers(frame[name]) if kind == "float" else _condensed(texts(frame[name]))
            for name, kind in present.items()
        },
        index=range(len(frame)),
    )
    described = {**metadata, DIGEST: _digest(canonical, kinds), ROWS: str(len(frame))}
    return sketches.write_profile(canonical, kinds, metadata=described, timestamp=hour)


@dataclass(frozen=True)
class ProfileStore:
    """Profiles under ``<root>/<problem>/<version>/<YYYY-MM-DD>/<HH>.<revision>.whylogs``."""

    root: Path

    def put(self, content: bytes, *, problem: str, version: str) -> StoredProfile:
        """Store a profile, unless the newest revision of its hour is of the same rows.

        Raises:
            ArtefactError: If the bytes are not a profile that ``profile_frame`` made.
        """
        head = _read(content, source=f"{problem} {version}", columns=False)
        folder = self._folder(problem, version) / f"{head.timestamp:%Y-%m-%d}"
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f".{uuid4().hex}.tmp"
        draft.write_bytes(content)
        try:
            while True:
                stored = self._revisions(folder, problem, version).get(head.timestamp)
                if stored and self._digest(stored.path) == head.metadata[DIGEST]:
                    return stored
                revision = stored.revision + 1 if stored else 0
                path = folder / f"{head.timestamp:%H}.{revision}.whylogs"
                try:
                    os.link(draft, path)  # unlike a rename, this never replaces a file
                except FileExistsError:
                    continue  # another writer was faster: look again
                return StoredProfile(head.timestamp, problem, version, revision, path)
        finally:
            draft.unlink()

    def hours(
        self, problem: str, since: datetime | None = None, *, version: str | None = None
    ) -> list[StoredProfile]:
        """List the newest revision of every hour, by paths alone.

        Args:
            problem: Name of the problem.
            since: First hour to list; all by default.
            version: The only version to list; all by default.

        Returns:
            One entry an hour and version, in order of time.
        """
        first_day = f"{since.astimezone(UTC):%Y-%m-%d}" if since else ""
        found: list[StoredProfile] = []
        folder = self.root / problem
        for under in sorted(folder.iterdir()) if folder.is_dir() else ():
            if version is not None and under.name != version:
                continue
            for day in under.iterdir():
                if day.name >= first_day:
                    found += self._revisions(day, problem, under.name).values()
        return sorted(stored for stored in found if since is None or stored.hour >= since)

    def hours_before(self, problem: str, moment: datetime, *, version: str) -> Iterator[datetime]:
        """Yield the hours of a version before a moment that have a profile, newest first.

        Days are listed one by one: who needs the last few hours does not list a year.
        """
        for day in sorted(self._folder(problem, version).iterdir(), reverse=True):
            if day.name <= f"{moment.astimezone(UTC):%Y-%m-%d}":
                hours = sorted(self._revisions(day, problem, version), reverse=True)
                yield from (hour for hour in hours if hour < moment)

    def read_counts(self, path: Path, reference: Reference) -> WindowCounts:
        """Return a profile as counts in the bins of a reference.

        Raises:
            ArtefactError: If the file is not a profile that ``profile_frame`` made.
        """
        profile = _read(path.read_bytes(), source=str(path), columns=True)
        columns = {
            name: _counts(profile.columns[name], bins)
            for name, bins in reference.bins.items()
            if name in profile.columns and profile.columns[name].rows
        }
        return WindowCounts(profile.timestamp, int(profile.metadata[ROWS]), columns)

    def read_windows(
        self, profiles: Sequence[StoredProfile], reference: Reference
    ) -> list[WindowCounts]:
        """Return profiles as counts of windows as long as the reference's, in order of time.

        What was counted once is kept beside the profiles of its day, under a name that stands for
        the reference's bins. Profiles are sketches that take a millisecond each to read.
        """
        layout = CountLayout.of(reference.bins)
        rows = [
            self._rows_of_day(folder, list(stored), reference, layout)
            for folder, stored in groupby(sorted(profiles), key=lambda one: one.path.parent)
        ]
        return layout.windows(np.concatenate(rows), reference.window) if rows else []

    def _rows_of_day(
        self,
        folder: Path,
        stored: Sequence[StoredProfile],
        reference: Reference,
        layout: CountLayout,
    ) -> np.ndarray:
        place = folder / f"counts.{layout.digest}.npy"
        known = layout.read(place)
        keys = [(one.hour.timestamp(), float(one.revision)) for one in stored]
        found = {(row[0], row[1]): row for row in known}
        lacking = [one for one, key in zip(stored, keys, strict=True) if key not in found]
        for one in lacking:
            counts = self.read_counts(one.path, reference)
            found[one.hour.timestamp(), float(one.revision)] = layout.pack(counts, one.revision)
        if lacking:
            layout.write(place, np.array(list(found.values())))
        return np.array([found[key] for key in keys])

    def _folder(self, problem: str, version: str) -> Path:
        for name in (problem, version):
            if not NAME.match(name):
                message = (
                    f"Profiles cannot be stored under the name {name!r}: use letters, digits and "
                    "'_', '.', '-', '+', and start with a letter, a digit or '_'."
                )
                raise ArtefactError(message)
        return self.root / problem / version

    def _revisions(self, day: Path, problem: str, version: str) -> dict[datetime, StoredProfile]:
        """Return the newest revision of each hour of a day's folder."""
        start = datetime.strptime(day.name, "%Y-%m-%d").replace(tzinfo=UTC)
        newest: dict[datetime, StoredProfile] = {}
        for path in day.iterdir():
            match = FILE.match(path.name)
            if match is None:
                continue  # a draft that is being written
            hour, revision = start.replace(hour=int(match["hour"])), int(match["revision"])
            if hour not in newest or newest[hour].revision < revision:
                newest[hour] = StoredProfile(hour, problem, version, revision, path)
        return newest

    def _digest(self, path: Path) -> str:
        return _read(path.read_bytes(), source=str(path), columns=False).metadata[DIGEST]


def _whole_hour(timestamp: datetime) -> datetime:
    if timestamp.tzinfo is None or timestamp.timestamp() % 3600:
        message = (
            f"A profile is of one hour, so its timestamp is the start of an hour and has a time "
            f"zone; found {timestamp.isoformat()}."
        )
        raise DataError(message)
    return timestamp.astimezone(UTC)


def _condensed(values: np.ndarray) -> np.ndarray:
    """Put rare categories together where there are too many to count each."""
    counts = pd.Series(values, dtype=object).value_counts()
    if len(counts) <= MOST_CATEGORIES:
        return values
    kept = set(counts.index[:MOST_CATEGORIES])
    condensed = [value if value is None or value in kept else REST for value in values]
    return np.array(condensed, dtype=object)


def _digest(canonical: pd.DataFrame, kinds: Mapping[str, ValueKind]) -> str:
    """Return a digest of the rows that does not depend on their order."""
    present = sorted(name for name in kinds if name in canonical)
    digest = hashlib.sha256(repr((sorted(kinds.items()), present, len(canonical))).encode())
    if present:
        rows = pd.util.hash_pandas_object(canonical[present], index=False)
        digest.update(np.sort(rows.to_numpy()).tobytes())
    return digest.hexdigest()


def _read(content: bytes, *, source: str, columns: bool) -> "Profile":
    from ml_assets.storage import sketches  # noqa: PLC0415 (whylogs takes seconds to import)

    try:
        profile = sketches.read_profile(content, columns=columns)
    except ValueError as error:
        message = f"{source} is not a readable whylogs profile ({error}). Profile the hour again."
        raise ArtefactError(message) from error
    if not {DIGEST, ROWS} <= set(profile.metadata):
        message = (
            f"The profile of {source} was not made by this project: its metadata has no {DIGEST!r} "
            f"or no {ROWS!r}. Make it with profile_frame."
        )
        raise ArtefactError(message)
    return profile


def _counts(sketch: "ColumnSketch", bins: Bins) -> ColumnCounts:
    match bins:
        case NumericBins(edges=edges):
            counts = np.diff(sketch.ranks(edges), prepend=0)
            return ColumnCounts(counts, sketch.missing, *sketch.described)
        case CategoryBins():
            return bins.count_items(
                sketch.items(), present=sketch.rows - sketch.missing, missing=sketch.missing
            )
