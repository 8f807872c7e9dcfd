"""A declared problem, whole: its YAML, contract and features, checked against each other."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Self

from ml_assets.core.errors import ContractError, DeclarationError, FeatureSqlError, nearest
from ml_assets.core.feature_query import FeatureQuery, PastLabel
from ml_assets.core.feature_sql import inspect
from ml_assets.core.feature_views import History
from ml_assets.core.problem import Problem
from ml_assets.storage.contracts import LoadedContract, load_contract

CONTRACT_FILE = "contract.py"
FEATURES_FILE = "features.sql"


@dataclass(frozen=True)
class DeclaredProblem:
    """What the three files of a problem's folder say.

    Attributes:
        problem: The YAML.
        contract: contract.py, as values and as a pandera schema.
        sql: Text of features.sql.
        folder: Where the three files are.
    """

    problem: Problem
    contract: LoadedContract
    sql: str
    folder: Path

    @classmethod
    def load(cls, problem: Problem, folder: Path) -> Self:
        """Read the contract and the features that belong to ``problem``.

        Raises:
            DeclarationError: If a file is missing or the three do not fit together; the message
                lists everything that was found.
        """
        path = folder / FEATURES_FILE
        if not path.is_file():
            message = (
                f"Problem {problem.name!r} has no {path}. Write one SELECT over validated_data."
            )
            raise DeclarationError(message)
        declared = cls(
            problem, load_contract(folder / CONTRACT_FILE), path.read_text("utf-8"), folder
        )
        declared._check_columns()
        declared._check_features()
        return declared

    @property
    def hidden(self) -> tuple[str, ...]:
        """Columns that features never see: the target and what is known only after the event."""
        return (self.problem.label.column, *self.problem.after_event)

    @cached_property
    def query(self) -> FeatureQuery:
        """features.sql with the baselines that read past labels."""
        problem = self.problem
        past = tuple(
            PastLabel(baseline.name, baseline.period, problem.label_reach)
            for baseline in problem.baselines
            if baseline.kind != "typical"
        )
        return FeatureQuery(self.sql, problem.keys, problem.label.column, past)

    @property
    def sql_digest(self) -> str:
        """Fingerprint of features.sql: what makes a feature another feature."""
        return sha256(self.sql.encode()).hexdigest()[:12]

    @property
    def history(self) -> History:
        """How far back features.sql and the baselines reach."""
        return History(self.problem.features.lookback, self.problem.label_reach)

    def _check_columns(self) -> None:
        problems = list(self._unknown_columns())
        if problems:
            raise ContractError("\n".join(problems))

    def _unknown_columns(self) -> Iterator[str]:
        problem, names = self.problem, self.contract.contract.names
        wanted = {"keys": problem.keys, "after_event": problem.after_event}
        if problem.label.source is None:
            wanted["label.column"] = (problem.label.column,)
        elif problem.label.column in names:
            yield (
                f"{self.folder / CONTRACT_FILE} holds {problem.label.column!r}, but the label has "
                "a source of its own (label.source). Remove it from one of the two."
            )
        for field, columns in wanted.items():
            for column in columns:
                if column not in names:
                    yield (
                        f"{field} of problem {problem.name!r} names {column!r}, which is not in "
                        f"{self.folder / CONTRACT_FILE}. {nearest(column, names)}"
                    )

    def _check_features(self) -> None:
        problem = self.problem
        found = inspect(
            self.sql,
            target=problem.label.column,
            after_event=problem.after_event,
            references=problem.references,
        )
        if found:
            where = self.folder / FEATURES_FILE
            raise FeatureSqlError("\n".join(f"{where}, {finding}" for finding in found))
