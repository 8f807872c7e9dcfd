"""The experiment: a challenger in traffic against the champion, on labels that came late."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pyarrow as pa

from ml_assets.assets.describe import WrittenTable, result, table_metadata
from ml_assets.assets.stage import before, declare, window_of
from ml_assets.core.alert_signals import move_signal
from ml_assets.core.window import Every, floor
from ml_assets.resources.engine import Engine
from ml_assets.storage.alerting import deliver, raise_alerts
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.experiments import Look, act, look
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.placement import MICROSECOND
from ml_assets.storage.serving_state import announce_again
from ml_assets.storage.workspace import Workspace

TABLE = "experiment_report"
SCHEMA = pa.schema(
    {
        "_date": pa.date32(),
        "until": pa.timestamp("us", tz="UTC"),
        "experiment": pa.string(),
        "challenger": pa.string(),
        "revision": pa.int64(),
        "mode": pa.string(),
        "share": pa.float64(),
        "champion_rows": pa.int64(),
        "challenger_rows": pa.int64(),
        "champion_loss": pa.float64(),
        "challenger_loss": pa.float64(),
        "gain": pa.float64(),
        "low": pa.float64(),
        "high": pa.float64(),
        "e_better": pa.float64(),
        "e_worse": pa.float64(),
        "action": pa.string(),
        "reason": pa.string(),
    }
)


def experiment_report(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """The challenger in traffic, judged on labelled requests: promoted, rolled back, or not yet.

    Every look is allowed: the test holds its error rate at all of them together. What follows is
    done at once and stands in the ledger with its evidence; a decision is made once.
    """
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "experiment_report",
            stage="monitoring",
            kinds=["deltalake"],
            deps=[before(problem, "prediction_log"), before(problem, "labels")],
            description=experiment_report.__doc__,
            metadata=table_metadata(declared, TABLE),
        )
    )
    def _experiment_report(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        announce_again(workspace, problem.name)
        with duckdb.get_connection() as connection:
            seen = look(connection, workspace, declared, until=window_of(context).end)
        if seen is None:
            return result(context, {"experiment": "none runs"})
        now = datetime.now(tz=UTC)
        version = _store(workspace, declared, seen)
        act(workspace, declared, seen, now=now)
        if seen.move.action != "go_on":
            _tell(workspace, declared, seen, now=now)
        pages = {"guard_rails": _rails(seen)}
        return result(context, _figures(seen), pages, table=WrittenTable(version, SCHEMA))

    return _experiment_report


def _store(workspace: Workspace, declared: DeclaredProblem, seen: Look) -> int:
    """Keep one row for each stage and date that was looked at."""
    every: Every = declared.problem.partitions.every
    date = floor(seen.until - MICROSECOND, "day" if every == "hour" else every).date()
    evidence = seen.evidence
    row = {
        "_date": date,
        "until": seen.until,
        "experiment": seen.traffic.experiment,
        "challenger": seen.traffic.version,
        "revision": seen.state.revision,
        "mode": seen.traffic.mode,
        "share": seen.traffic.share,
        "champion_rows": evidence.champion_rows,
        "challenger_rows": evidence.challenger_rows,
        "champion_loss": evidence.champion_loss,
        "challenger_loss": evidence.challenger_loss,
        "gain": evidence.estimate,
        "low": evidence.low,
        "high": evidence.high,
        "e_better": evidence.e_better,
        "e_worse": evidence.e_worse,
        "action": seen.move.action,
        "reason": seen.move.reason,
    }
    return workspace.lake.replace(
        table_name(declared, TABLE),
        pa.Table.from_pylist([row], schema=SCHEMA),
        predicate=f"_date = '{date}' AND revision = {seen.state.revision}",
    )


def _tell(workspace: Workspace, declared: DeclaredProblem, seen: Look, *, now: datetime) -> None:
    """Tell people of each move, once."""
    action, evidence = seen.move.action.replace("_", " "), seen.evidence
    signal = move_signal(
        declared.problem.name,
        key=f"{seen.traffic.experiment}/{seen.state.revision}",
        severity="warn" if seen.move.action == "roll_back" else "info",
        title=f"{action} in {seen.traffic.experiment}",
        what=f"{seen.traffic.version}: {seen.move.reason}",
        sure=(
            f"Gain of the challenger {evidence.estimate:.3g} ({evidence.low:.3g} to "
            f"{evidence.high:.3g} at every look), on {evidence.challenger_rows} of its rows."
        ),
        at=seen.until,
    )
    raise_alerts(workspace, declared, [signal], now=now)
    deliver(workspace, declared.problem.name, declared.problem.alerts)


def _figures(seen: Look) -> dict[str, Any]:
    evidence = seen.evidence.to_json()
    shown = ("estimate", "low", "high", "e_better", "e_worse", "champion_rows", "challenger_rows")
    figures = {name: evidence[name] for name in shown if evidence[name] is not None}
    return {
        "experiment": seen.traffic.experiment,
        "mode": seen.traffic.mode,
        "share": seen.traffic.share,
        "action": seen.move.action,
        "reason": seen.move.reason,
        **figures,
    }


def _rails(seen: Look) -> dg.MetadataValue:
    lines = [
        "| rail | observed | bound | rows | e-value | breaks at |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {rail.rail} | {'not measured' if rail.observed is None else f'{rail.observed:.3g}'} | "
        f"{rail.bound:.3g} | {rail.rows} | {rail.e_value:.3g} | {1 / rail.alpha:.3g} |"
        for rail in seen.rails
    ]
    return dg.MetadataValue.md("\n".join(lines))
