"""When drift was told, and how often without one."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from benchmarks.monitoring.lives import CHANGED, END, ONSET, SERVES, Life
from ml_assets.core.drift import MEMORY
from ml_assets.core.episodes import Episode, episodes_of
from ml_assets.core.rehearsal.service import Service
from ml_assets.core.rehearsal.version import Version

MONTH = timedelta(days=30.4375)
LOOKS = (timedelta(0), timedelta(days=1), timedelta(days=3))
"""When the change report is read, after drift was told."""


@dataclass(frozen=True)
class Found:
    """When a change was found.

    Attributes:
        told: Moment at which the rule said drift, with the labels of that moment; None if never.
        episode: The episode as it was then.
        delay: Windows from the change to that moment, the one in which it fell included.
        after_settled: The same, from when the change had its full size; 0 where it was told before.
    """

    told: datetime | None = None
    episode: Episode | None = None
    delay: int | None = None
    after_settled: int | None = None


def found(life: Life, version: Version) -> Found:
    """Look at the end of every window after the change until drift is told."""
    service, length = life.service(version), version.reference.window
    settled = life.plant.scenario.settled or ONSET
    now = ONSET
    while now < END:
        now += length
        for episode in _episodes(service, now, life):
            if episode.last_drift + length > ONSET:
                windows = -(-(now - ONSET) // length)
                late = max(0, -(-(now - settled) // length))
                return Found(now, episode, windows, late)
    return Found()


def false_episodes(life: Life, version: Version) -> tuple[int, int]:
    """Return episodes of drift in a life without change, and windows that were judged."""
    service = life.service(version)
    now = SERVES
    while now < END:
        now += timedelta(days=1)
        rows = service.verdicts(now)
    problem = life.world.problem.name
    return len(episodes_of(rows, problem=problem, version=version.name)), len(rows)


def months_watched() -> float:
    """Return the months of one life without change."""
    return (END - SERVES) / MONTH


def reference_end(opened: datetime, length: timedelta) -> datetime:
    """Return the end of the rows that surely lie before an episode, as the change report cuts."""
    return opened - (MEMORY - 1) * length


def windows_after_change(length: timedelta) -> int:
    """Return how many windows a change could be found in."""
    return CHANGED // length


def _episodes(service: Service, now: datetime, life: Life) -> list[Episode]:
    rows = service.verdicts(now)
    return episodes_of(rows, problem=life.world.problem.name, version=service.version.name)
