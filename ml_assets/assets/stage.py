"""What all assets of a problem share: keys, groups, partitions and the asked window."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from inspect import cleandoc
from typing import Any

import dagster as dg

from ml_assets.core.problem import Problem
from ml_assets.core.window import Window, floor
from ml_assets.storage.declared import DeclaredProblem

KEY_FORMATS = {"hour": "%Y-%m-%d-%H:%M", "day": "%Y-%m-%d", "week": "%Y-%m-%d", "month": "%Y-%m-%d"}
PARTITION = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
Keys = tuple[str, str]
CRONS = {"hour": "0 * * * *", "day": "0 0 * * *", "week": "0 0 * * 1", "month": "0 0 1 * *"}
# Runs of a pool take turns (dagster.yaml): who writes rows, who makes versions, who reports.
POOLS = {
    "data": "tables",
    "labels": "tables",
    "features": "tables",
    "models": "versions",
    "serving": "versions",
    "monitoring": "reports",
}
# "Everything before", about 55 years or more: partitions that do not exist are allowed.
ALL_BEFORE = {"hour": 480_000, "day": 20_000, "week": 2_900, "month": 660}


def partitions_of(problem: Problem) -> dg.TimeWindowPartitionsDefinition:
    """Return the partitions of all the problem's data, in UTC."""
    cut = problem.partitions
    return dg.TimeWindowPartitionsDefinition(
        start=floor(cut.start, cut.every),
        end=cut.end,
        fmt=KEY_FORMATS[cut.every],
        cron_schedule=CRONS[cut.every],
        timezone="UTC",
    )


def window_of(context: dg.AssetExecutionContext) -> Window:
    """Return the event time that a run covers: one partition, or a range of them."""
    bounds = context.partition_time_window
    return Window(plain_utc(bounds.start), plain_utc(bounds.end))


def window_of_run(problem: Problem, tags: Mapping[str, str]) -> Window:
    """Return the event time that a run asks for by its tags; all partitions where it asks for none.

    Raises:
        DagsterInvariantViolationError: If the problem has no partition yet.
    """
    keys = partitions_of(problem)
    whole = keys.get_first_partition_key(), keys.get_last_partition_key()
    first, last = asked_keys(tags) or whole
    if first is None or last is None:
        message = f"{problem.name} has no partition yet: partitions.start is in the future."
        raise dg.DagsterInvariantViolationError(message)
    start, end = (keys.time_window_for_partition_key(key) for key in (first, last))
    return Window(plain_utc(start.start), plain_utc(end.end))


def asked_keys(tags: Mapping[str, str]) -> Keys | None:
    """Return the first and the last partition that a run asks for by its tags; None if for none."""
    first = tags.get(PARTITION, tags.get(RANGE_START))
    last = tags.get(PARTITION, tags.get(RANGE_END))
    return None if first is None or last is None else (first, last)


def plain_utc(moment: datetime) -> datetime:
    """Return a moment as a plain datetime in UTC: Dagster hands out a subclass of its own."""
    return datetime.fromtimestamp(moment.timestamp(), tz=UTC)


def key_of(problem: Problem, asset: str) -> dg.AssetKey:
    """Return the key of one of the problem's assets."""
    return dg.AssetKey([problem.name, asset])


def before(problem: Problem, asset: str, *, partitions: int | None = None) -> dg.AssetDep:
    """Return a dependency on a partition and on some, or all, of those before it."""
    back = ALL_BEFORE[problem.partitions.every] if partitions is None else partitions
    return dg.AssetDep(
        key_of(problem, asset),
        partition_mapping=dg.TimeWindowPartitionMapping(
            start_offset=-back, allow_nonexistent_upstream_partitions=True
        ),
    )


def declare(
    declared: DeclaredProblem,
    name: str,
    *,
    stage: str,
    kinds: Sequence[str],
    deps: Sequence[dg.AssetDep | dg.AssetKey] = (),
    description: str | None,
    metadata: Mapping[str, Any] | None = None,
    partitioned: bool = True,
    pool: str | None = None,
) -> dict[str, Any]:
    """Return the arguments of ``dg.asset`` for one asset of a problem.

    A range of partitions is one run: the work is set-based, and a run costs seconds. Runs that
    share a pool take turns: of two that read, compute and replace the same rows, the one that
    began first could end last.
    """
    problem = declared.problem
    partitions: dict[str, Any] = (
        {
            "partitions_def": partitions_of(problem),
            "backfill_policy": dg.BackfillPolicy.single_run(),
        }
        if partitioned
        else {}
    )
    return {
        "key": key_of(problem, name),
        "group_name": f"{problem.name}_{stage}",
        "kinds": set(kinds),
        "deps": list(deps),
        "description": cleandoc(description or ""),
        "owners": list(problem.owners),
        "metadata": dict(metadata or {}),
        "pool": f"{problem.name}_{pool or POOLS[stage]}",
        **partitions,
    }
