"""Partitions that were missed: nothing ran when they were over, or their run failed."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import dagster as dg

from ml_assets.assets.stage import KEY_FORMATS, key_of, window_of_run
from ml_assets.automation.requests import closed_partitions
from ml_assets.core.window import Window, cut
from ml_assets.storage.declared import DeclaredProblem

FINISHED = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
UNFINISHED = [status for status in dg.DagsterRunStatus if status not in FINISHED]


def missed_partitions(
    declared: DeclaredProblem,
    instance: dg.DagsterInstance,
    *,
    job: str,
    asset: str,
    needs: str | None = None,
) -> Window | None:
    """Return the stretch that a job still has to make, up to the newest partition that is over.

    It goes by what is over now and not at the tick: Dagster catches up on several ticks at once,
    and one run makes what all of them would ask for.

    Args:
        declared: The problem.
        instance: Knows what was materialised, and which runs wait or go on.
        job: Name of the job without the problem's prefix.
        asset: The asset that tells whether a partition was made.
        needs: The asset without which the job would make empty partitions, once it made any.
    """
    closed = closed_partitions(declared)
    if closed is None:
        return None
    parts = list(cut(closed, declared.problem.partitions.every))
    made = _materialised(declared, instance, asset, parts)
    waiting = _busy(declared, instance, job, parts)
    if needs is not None and made:
        ready = _materialised(declared, instance, needs, parts)
        waiting |= {part for part in parts if not ready or part > max(ready)}
    return stretch(parts, made=made, waiting=waiting)


def stretch(
    parts: Sequence[Window], *, made: AbstractSet[Window], waiting: AbstractSet[Window]
) -> Window | None:
    """Return the partitions from the first gap to the newest one.

    History before the first partition that was made is left to a backfill by hand: where nothing
    was made, only the newest one is asked for. That one is made once more even if it was made,
    since that may have been before it was over.

    Args:
        parts: Partitions that are over, in order, at least one.
        made: Those that were made.
        waiting: Those not to ask for now: a run is about to make them, or they lack what they need.
    """
    known = made | waiting
    begun = next((place for place, part in enumerate(parts) if part in known), len(parts) - 1)
    lacking = [
        part
        for part in parts[begun:]
        if part not in waiting and (part not in made or part == parts[-1])
    ]
    return Window(lacking[0].start, lacking[-1].end) if lacking else None


def _materialised(
    declared: DeclaredProblem, instance: dg.DagsterInstance, asset: str, parts: Sequence[Window]
) -> set[Window]:
    keys = instance.get_materialized_partitions(key_of(declared.problem, asset))
    form = KEY_FORMATS[declared.problem.partitions.every]
    return {part for part in parts if f"{part.start:{form}}" in keys}


def _busy(
    declared: DeclaredProblem, instance: dg.DagsterInstance, job: str, parts: Sequence[Window]
) -> set[Window]:
    """Return the partitions that runs of a job are about to make."""
    asked = dg.RunsFilter(job_name=f"{declared.problem.name}_{job}", statuses=UNFINISHED)
    windows = [
        window_of_run(declared.problem, record.dagster_run.tags)
        for record in instance.get_run_records(asked)
    ]
    return {part for part in parts if any(part.start in window for window in windows)}
