"""Failed runs of a job, and which of them a later run has made good."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from ml_assets.assets.stage import Keys, asked_keys

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class EndedRun:
    """A run that is over.

    Attributes:
        at: When it ended.
        asked: First and last partition that it asked for; None if it asked for none.
    """

    at: datetime
    asked: Keys | None

    def makes_good(self, failed: "EndedRun", *, newest_counts: bool) -> bool:
        """Whether this success came after a failure, and asked for all that the failed run did.

        Where the newest counts, as of models, one that asked for later partitions does too.
        """
        if self.at <= failed.at:
            return False
        if failed.asked is None or self.asked is None:
            return failed.asked is None
        if newest_counts:
            return failed.asked[1] <= self.asked[1]
        # The keys of a problem's partitions sort as the moments that they name.
        return self.asked[0] <= failed.asked[0] and failed.asked[1] <= self.asked[1]


def left_over(
    instance: dg.DagsterInstance,
    job: str,
    *,
    first: str,
    since: datetime,
    newest_counts: bool = False,
) -> list[EndedRun]:
    """Return the failed runs of a job, from one of them on, that no success has made good.

    Args:
        instance: Dagster's record of runs.
        job: Name of the job.
        first: Id of the first failed run.
        since: When that was told; it counts if Dagster no longer knows the run.
        newest_counts: Whether a success of later partitions makes a failure good.
    """
    records = instance.get_run_records(dg.RunsFilter(run_ids=[first]), limit=1)
    known = [_ended(record.dagster_run, record.end_time) for record in records if record.end_time]
    begin = known[0] if known else EndedRun(since, None)
    failed = [begin, *_ended_after(instance, job, dg.DagsterRunStatus.FAILURE, begin.at)]
    succeeded = _ended_after(instance, job, dg.DagsterRunStatus.SUCCESS, begin.at)
    return [
        run
        for run in failed
        if not any(one.makes_good(run, newest_counts=newest_counts) for one in succeeded)
    ]


def _ended_after(
    instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus, moment: datetime
) -> list[EndedRun]:
    # Of the last change of a run Dagster may keep the second only.
    asked = dg.RunsFilter(job_name=job, statuses=[status], updated_after=moment - SECOND)
    ended = [
        _ended(record.dagster_run, record.end_time)
        for record in instance.get_run_records(asked)
        if record.end_time
    ]
    return [run for run in ended if run.at > moment]


def _ended(run: dg.DagsterRun, end_time: float) -> EndedRun:
    return EndedRun(datetime.fromtimestamp(end_time, tz=UTC), asked_keys(run.tags))
