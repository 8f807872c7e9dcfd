"""Run requests for a stretch of partitions, as one run."""

from collections.abc import Mapping

import dagster as dg

from ml_assets.assets.stage import KEY_FORMATS, RANGE_END, RANGE_START, partitions_of, plain_utc
from ml_assets.core.window import Window, cut
from ml_assets.storage.declared import DeclaredProblem


def range_tags(declared: DeclaredProblem, window: Window) -> dict[str, str]:
    """Return the run tags that ask for all partitions touched by ``window``."""
    every = declared.problem.partitions.every
    starts = [part.start for part in cut(window, every)]
    form = KEY_FORMATS[every]
    return {RANGE_START: f"{starts[0]:{form}}", RANGE_END: f"{starts[-1]:{form}}"}


def range_request(
    declared: DeclaredProblem,
    job: str,
    window: Window,
    *,
    run_key: str,
    tags: Mapping[str, str] | None = None,
) -> dg.RunRequest:
    """Return the request for one run over all partitions touched by ``window``."""
    return dg.RunRequest(
        run_key=run_key,
        job_name=f"{declared.problem.name}_{job}",
        tags={**range_tags(declared, window), **(tags or {})},
    )


def closed_partitions(declared: DeclaredProblem, *, last: int | None = None) -> Window | None:
    """Return the stretch of all partitions that are over by now, or of the last few of them."""
    keys = partitions_of(declared.problem)
    first, newest = keys.get_first_partition_window(), keys.get_last_partition_window()
    if first is None or newest is None:
        return None
    window = Window(plain_utc(first.start), plain_utc(newest.end))
    if last is None:
        return window
    starts = [part.start for part in cut(window, declared.problem.partitions.every)][-last:]
    return Window(starts[0], window.end)
