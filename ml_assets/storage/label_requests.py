"""Which rows of the prediction log are sent to labelling, and which have their label by now."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from ml_assets.core.errors import LedgerError
from ml_assets.core.estimation.loss_estimator import AnsweredRows, LossEstimator
from ml_assets.core.feature_query import literal, quoted
from ml_assets.core.labelling import (
    Chosen,
    budget_of,
    choose,
    disagreement_of,
    lots,
    unfamiliarity,
)
from ml_assets.core.window import Every, Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.label_queue import LabelRequest
from ml_assets.storage.label_tables import known_by
from ml_assets.storage.logged_values import logged_confidence, logged_features
from ml_assets.storage.loss_estimators import estimator_of
from ml_assets.storage.production import log_columns
from ml_assets.storage.second_opinions import SecondOpinion, second_opinion
from ml_assets.storage.truth_sql import truth_sql
from ml_assets.storage.versions import stored_version
from ml_assets.storage.workspace import Workspace

SHADOW = "the version in the shadow"


def label_requests(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    window: Window,
    *,
    now: datetime,
) -> list[LabelRequest]:
    """Return the rows of a window that are worth a label, within the budget of each day or hour.

    What was asked for before counts: late rows do not widen a day's budget.
    """
    problem = declared.problem
    if not problem.labelling.daily_budget:
        return []
    rows = _logged(connection, workspace, declared, window)
    every: Every = "hour" if problem.partitions.every == "hour" else "day"
    asked = workspace.label_queue.asked_between(problem.name, window.start, window.end)
    found = []
    for start, part in rows.groupby(rows["event_time"].dt.floor(every[0].replace("d", "D"))):
        stretch = _Stretch(workspace, declared, part.reset_index(drop=True))
        budget = budget_of(problem.labelling, pd.Timestamp(start).to_pydatetime(), every)
        before = stretch.asked(asked)
        chosen = choose(
            problem.labelling,
            lots(problem.seed, stretch.names),
            uncertainty=stretch.uncertainty,
            disagreement=stretch.disagreement,
            budget=budget,
        )
        new = [one for one in chosen if not before[one.position]]
        kept = {one.position for one in new[: max(budget - int(before.sum()), 0)]}
        # Rows asked for before are told again: one of them may be drawn at random by now.
        told = [one for one in chosen if before[one.position] or one.position in kept]
        found += [stretch.request(one, now) for one in told]
    return found


def close_known(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    *,
    until: datetime,
) -> int:
    """Close open requests whose declared label has come by a moment, and return how many."""
    problem, queue = declared.problem, workspace.label_queue
    waiting = queue.waiting(problem.name)
    if not waiting:
        return 0
    open_now = [{"id": one.id, "request_id": one.request_id, "row": one.row} for one in waiting]
    log = table_name(declared, "prediction_log")
    workspace.lake.register(connection, log, name="log", columns=log_columns(declared))
    workspace.lake.register(connection, table_name(declared, "labels"), name="truths")
    connection.register("open_requests", pa.Table.from_pylist(open_now))
    identity = ", ".join(quoted(name) for name in problem.identity)
    first = min(one.event_time for one in waiting)
    known = connection.execute(
        f"""
        SELECT DISTINCT id, {truth_sql(problem, "t")}::VARCHAR, t.known_at
        FROM open_requests JOIN log USING (request_id, "row")
        JOIN {known_by("truths", until)} AS t USING ({identity})
        WHERE log.event_time >= {literal(first)} AND log._date >= DATE '{_date(first)}'
        """
    ).fetchall()
    connection.unregister("open_requests")
    return queue.close_by_source({number: (label, at) for number, label, at in known})


@dataclass(frozen=True, eq=False)
class _Stretch:
    """The answered rows of a day or an hour."""

    workspace: Workspace
    declared: DeclaredProblem
    frame: pd.DataFrame

    @property
    def names(self) -> Iterator[str]:
        return (
            f"{r}/{n}" for r, n in zip(self.frame["request_id"], self.frame["row"], strict=True)
        )

    def asked(self, asked: set[tuple[str, int]]) -> np.ndarray:
        pairs = zip(self.frame["request_id"], self.frame["row"], strict=True)
        return np.array([pair in asked for pair in pairs], dtype=bool)

    @cached_property
    def uncertainty(self) -> np.ndarray:
        """Of each row: the expected loss, or else how unfamiliar it is."""
        found = np.zeros(len(self.frame))
        for version, at in self.frame.groupby("version").indices.items():
            found[at] = self._uncertainty(str(version), self.frame.iloc[at].reset_index(drop=True))
        return found

    def _uncertainty(self, version: str, part: pd.DataFrame) -> np.ndarray:
        regression = self.declared.problem.task == "regression"
        confidence = logged_confidence(part["prediction"], part["probabilities"])
        if not regression and not np.isnan(confidence).any():
            return 1 - confidence
        estimator, _ = self._of_version(version)
        if estimator is None:
            features = pd.DataFrame([json.loads(text) for text in part["features"]])
            numbers = [str(n) for n in features if pd.api.types.is_numeric_dtype(features[n])]
            return unfamiliarity(features, numbers)
        answers = part["prediction"].astype(float if regression else str).to_numpy()
        return estimator.losses(
            AnsweredRows(_features(estimator, part), answers, None if regression else confidence)
        )

    @cached_property
    def disagreement(self) -> np.ndarray:
        """Of each row: how far another model's answer lies away."""
        kind = float if self.declared.problem.task == "regression" else str
        answers = self.frame["prediction"].astype(kind).to_numpy()
        return disagreement_of(answers, self.others[0])

    @cached_property
    def others(self) -> tuple[np.ndarray, np.ndarray]:
        """Another model's answers and its name, missing where there is none."""
        answers = self.frame["unheard"].to_numpy(dtype=object, copy=True)
        answers[pd.isna(answers)] = None
        names = np.where(pd.isna(answers), "", SHADOW).astype(object)
        for version, at in self.frame.groupby("version").indices.items():
            left = np.array([place for place in at if answers[place] is None], dtype=int)
            estimator, second = self._of_version(str(version))
            if not len(left) or second is None or estimator is None:
                continue
            features = _features(estimator, self.frame.iloc[left].reset_index(drop=True))
            answers[left] = second.answers(self.declared.problem, features)
            names[left] = second.name
        return answers, names

    def _of_version(self, version: str) -> tuple[LossEstimator | None, SecondOpinion | None]:
        problem = self.declared.problem
        if version not in self._known:
            try:
                stored = stored_version(self.workspace, problem.name, version)
            except LedgerError:
                self._known[version] = (None, None)  # answered by a server elsewhere
            else:
                self._known[version] = (
                    estimator_of(self.workspace, stored),
                    second_opinion(self.workspace, problem, stored),
                )
        return self._known[version]

    @cached_property
    def _known(self) -> dict[str, tuple[LossEstimator | None, SecondOpinion | None]]:
        return {}

    def request(self, one: Chosen, now: datetime) -> LabelRequest:
        """Return what is asked about a chosen row."""
        row, problem = self.frame.iloc[one.position], self.declared.problem
        moment = row["event_time"].to_pydatetime()
        names = [str(row[key]) for key in problem.keys]
        return LabelRequest(
            problem=problem.name,
            identity=json.dumps([*names, moment.isoformat()], ensure_ascii=False),
            request_id=row["request_id"],
            row=int(row["row"]),
            event_time=moment,
            strategy=one.strategy,
            propensity=one.propensity,
            why=self._why(one, row),
            details={"inputs": json.loads(row["inputs"]), "prediction": _plain(row["prediction"])},
            at=now,
        )

    def _why(self, one: Chosen, row: pd.Series) -> str:
        match one.strategy:
            case "random_audit":
                return f"drawn at random, as {one.propensity:.2%} of the rows are"
            case "disagreeing":
                other, name = (column[one.position] for column in self.others)
                return f"the models disagree: {_plain(row['prediction'])}, but {name} says {other}"
            case "uncertain":
                return f"the model is unsure ({self.uncertainty[one.position]:.3g})"


def _logged(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    window: Window,
) -> pd.DataFrame:
    """Return what was answered for someone, with what a version in the shadow answered."""
    columns = {**log_columns(declared), "inputs": "VARCHAR"}
    log = table_name(declared, "prediction_log")
    workspace.lake.register(connection, log, name="log", columns=columns)
    keys = "".join(f"l.{quoted(key)}, " for key in declared.problem.keys)
    frame = connection.execute(
        f"""
        SELECT {keys}l.event_time, l.request_id, l."row", l.version, l.prediction, l.probabilities,
               l.inputs, l.features, s.prediction AS unheard
        FROM log AS l LEFT JOIN log AS s ON s.request_id = l.request_id AND s."row" = l."row"
            AND s.variant = 'shadow'
        WHERE l.event_time >= {literal(window.start)} AND l.event_time < {literal(window.end)}
          AND l._date >= DATE '{_date(window.start)}'
          AND l.prediction IS NOT NULL AND l.variant IS DISTINCT FROM 'shadow'
        ORDER BY l.event_time, l.request_id, l."row"
        """
    ).df()
    frame["event_time"] = frame["event_time"].astype("datetime64[us, UTC]")
    return frame


def _features(estimator: LossEstimator, part: pd.DataFrame) -> pd.DataFrame:
    return logged_features(
        part["features"], numeric=estimator.numeric, categorical=estimator.categorical
    )


def _date(moment: datetime) -> Any:  # noqa: ANN401
    """The earliest storage date of a moment's row, whatever the partitions are."""
    return (moment - timedelta(days=31)).date()


def _plain(value: Any) -> Any:  # noqa: ANN401
    return value.item() if isinstance(value, np.generic) else value
