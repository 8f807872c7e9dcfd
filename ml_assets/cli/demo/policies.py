"""What other policies would have answered on the same days."""

from dataclasses import dataclass
from datetime import timedelta

import duckdb
import numpy as np
import pandas as pd

from ml_assets.cli.demo.plan import Plan
from ml_assets.components.execution import ProblemRunner
from ml_assets.core.bootstrap import Blocks
from ml_assets.core.training import Configuration, fit, predict
from ml_assets.core.window import Window
from ml_assets.reports.demo_content import ErrorSeries, PhaseScore
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.production import answered_rows
from ml_assets.storage.training_sets import TrainingRecipe, read_training_set
from ml_assets.storage.versions import StoredVersion, model_of
from ml_assets.storage.workspace import Workspace

ADAPTIVE, NEVER, ALWAYS = "on drift (this system)", "never retrain", "retrain every day"
CONFIDENCE = 0.95
STEP = timedelta(hours=6)
MIN_ROWS = 20


@dataclass(frozen=True)
class Outcomes:
    """Absolute errors of every policy on the rows of production.

    Attributes:
        rows: ``event_time`` and one column of absolute errors a policy, in order of time.
        trainings: Number of trainings that each policy needed after the first.
    """

    rows: pd.DataFrame
    trainings: dict[str, int]


def compare_policies(
    runner: ProblemRunner, plan: Plan, *, first: StoredVersion, retrainings: int
) -> Outcomes:
    """Return the errors of the served predictions, and of two policies that were not followed."""
    declared, workspace = runner.declared, runner.workspace
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        served = _served(connection, workspace, declared, plan.production)
        rows = _features(connection, workspace, declared, plan.production)
        rows[NEVER] = _errors(declared, model_of(workspace, first), rows)
        rows[ALWAYS] = _retrained_daily(connection, runner, plan, first.version.configuration, rows)
    identity = list(declared.problem.identity)
    joined = rows.merge(served, on=identity).sort_values("event_time", ignore_index=True)
    trainings = {ADAPTIVE: retrainings, NEVER: 0, ALWAYS: len(plan.days) - 1}
    return Outcomes(joined[["event_time", ADAPTIVE, NEVER, ALWAYS]], trainings)


def series_of(outcomes: Outcomes) -> tuple[ErrorSeries, ...]:
    """Return the mean absolute error of each policy by six hours."""
    starts = outcomes.rows["event_time"].dt.floor(pd.Timedelta(STEP))
    means = outcomes.rows.drop(columns="event_time").groupby(starts).mean()
    times = tuple(start.to_pydatetime() for start in means.index)
    return tuple(
        ErrorSeries(policy=str(policy), times=times, errors=tuple(map(float, means[policy])))
        for policy in means
    )


def phases_of(outcomes: Outcomes, phases: dict[str, Window]) -> tuple[PhaseScore, ...]:
    """Return the mean absolute error of each policy in each phase, with block-bootstrap bounds."""
    scores = []
    for phase, window in phases.items():
        times = outcomes.rows["event_time"]
        part = outcomes.rows[(times >= window.start) & (times < window.end)]
        if len(part) < MIN_ROWS:
            continue
        policies = [str(name) for name in part.columns.drop("event_time")]
        blocks = Blocks.draw(part["event_time"].to_numpy(dtype="datetime64[us]"), seed=0)
        drawn = blocks.means(part[policies].to_numpy())
        for column, policy in enumerate(policies):
            low, high = blocks.interval(drawn[:, column], confidence=CONFIDENCE)
            value = float(part[policy].mean())
            scores.append(
                PhaseScore(
                    policy=policy, phase=phase, value=value, low=low, high=high, rows=len(part)
                )
            )
    return tuple(scores)


def _served(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    window: Window,
) -> pd.DataFrame:
    """Return the errors of what the server answered."""
    rows = answered_rows(connection, workspace.lake, declared, window)
    known = rows[rows["truth"].notna()].assign(**{ADAPTIVE: rows["absolute_residual"]})
    return known[[*declared.problem.identity, ADAPTIVE]]


def _features(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    window: Window,
) -> pd.DataFrame:
    recipe = TrainingRecipe.of_today(workspace.lake, declared, window.end)
    frame = read_training_set(connection, workspace.lake, declared, recipe).frame
    return frame[frame["event_time"] >= window.start].reset_index(drop=True)


def _errors(declared: DeclaredProblem, model: object, rows: pd.DataFrame) -> np.ndarray:
    inputs = rows[list(model.feature_names_in_)]  # pyrefly: ignore[missing-attribute]
    answers = predict(model, inputs, declared.problem.task).values
    return np.abs(answers - rows[declared.problem.label.column].to_numpy())


def _retrained_daily(
    connection: duckdb.DuckDBPyConnection,
    runner: ProblemRunner,
    plan: Plan,
    configuration: Configuration,
    rows: pd.DataFrame,
) -> np.ndarray:
    """Return the errors of the first configuration, fitted anew every midnight."""
    declared, workspace = runner.declared, runner.workspace
    errors = np.full(len(rows), np.nan)
    for day in plan.days:
        recipe = TrainingRecipe.of_today(workspace.lake, declared, day.start)
        known = read_training_set(connection, workspace.lake, declared, recipe)
        model = fit(configuration, known, seed=declared.problem.seed)
        part = ((rows["event_time"] >= day.start) & (rows["event_time"] < day.end)).to_numpy()
        errors[part] = _errors(declared, model, rows[part])
    return errors
