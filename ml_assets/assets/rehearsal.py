"""The rehearsal: every policy tried on the problem's own history."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from ml_assets.assets.describe import picture, result
from ml_assets.assets.stage import before, declare, key_of, plain_utc, window_of
from ml_assets.core.problem import Problem
from ml_assets.core.window import Window, floor
from ml_assets.resources.engine import Engine
from ml_assets.storage.atomic import write_atomically
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.workspace import Workspace

YEAR = timedelta(days=366)
CONFIDENCE = 0.95


def rehearsal(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """Retraining policies compared on past partitions, in virtual time and in isolation.

    The asked partitions are lived through; a single one stands for all before it, a year at most.
    """
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "rehearsal",
            stage="models",
            pool="rehearsal",
            kinds=["scikitlearn"],
            deps=[before(problem, "feature_table"), key_of(problem, "labels")],
            description=rehearsal.__doc__,
        )
    )
    def _rehearsal(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        from ml_assets.core.rehearsal.comparison import compare_policies  # noqa: PLC0415
        from ml_assets.reports.plots import dot_and_whisker  # noqa: PLC0415
        from ml_assets.reports.rehearsal import rehearsal_page, scores_of, verdict_of  # noqa: PLC0415
        from ml_assets.storage.rehearsal_record import (  # noqa: PLC0415
            record_rehearsal,
            rehearse_problem,
        )

        asked = window_of(context)
        window = asked if context.has_partition_key_range else rehearsed_window(problem, asked.end)
        with duckdb.get_connection() as connection:
            done = rehearse_problem(
                connection,
                workspace,
                declared,
                window,
                regular=regular_moments(problem, window),
                seed=problem.seed,
                jobs=problem.search.jobs,
            )
        compared = compare_policies(done, confidence=CONFIDENCE)
        now = datetime.now(tz=UTC)
        home = workspace.home / "rehearsals" / problem.name / f"{now:%Y%m%dT%H%M%S}"
        record_rehearsal(home, done)
        page = rehearsal_page(done, compared, confidence=CONFIDENCE, made_at=now)
        write_atomically(home / "rehearsal.html", page.encode())
        best = compared.figure(compared.picked)
        facts = {
            "picked": compared.picked,
            "verdict": verdict_of(compared),
            "loss": best.loss.value,
            "retrainings": best.retrainings,
            "report": dg.MetadataValue.path(str(home / "rehearsal.html")),
        }
        drawn = dot_and_whisker(
            scores_of(compared, problem.primary_metric),
            title="Loss of each policy",
            axis=problem.primary_metric,
            highlighted=compared.picked,
        )
        return result(context, facts, {"loss_of_each_policy": picture(drawn)})

    return _rehearsal


def rehearsed_window(problem: Problem, end: datetime) -> Window:
    """Return the partitions that are lived through by default: the later two thirds of a history.

    Never more than a year of them; what is before is for the first champion to learn from.
    """
    every, start = (
        problem.partitions.every,
        floor(problem.partitions.start, problem.partitions.every),
    )
    first = max(start + (end - start) / 3, end - YEAR)
    return Window(floor(first, every), end)


def regular_moments(problem: Problem, window: Window) -> list[datetime]:
    """Return the moments in a window at which the declared regular retraining is due."""
    cron = problem.retraining.cron
    if cron is None:
        return []
    ticks = dg.TimeWindowPartitionsDefinition(
        start=window.start,
        end=window.end,
        fmt="%Y-%m-%dT%H:%M",
        cron_schedule=cron,
        timezone="UTC",
    )
    starts = [ticks.time_window_for_partition_key(key).start for key in ticks.get_partition_keys()]
    return [plain_utc(start) for start in starts]
