"""A declared problem, whole: its YAML, contract and features, checked against each other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Self

from ml_assets.core.errors import DeclarationError, FeatureSqlError, nearest
from ml_assets.core.feature_query import FeatureQuery, PastLabel
from ml_assets.core.feature_sql import inspect
from ml_assets.core.feature_views import History
from ml_assets.core.problem import Problem, SimulatorSource, Source
from ml_assets.storage.contracts import LoadedContract, load_contract
from ml_assets.storage.estimators import import_fault
from ml_assets.storage.sources.simulator import scenario_fault

CONTRACT_FILE = "contract.py"
FEATURES_FILE = "features.sql"

Field = tuple[str | int, ...]
Place = Callable[[Field], str]


def by_name(field: Field) -> str:
    """Name a field of the YAML, where its line is not known."""
    return ".".join(str(part) for part in field)


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
    def load(cls, problem: Problem, folder: Path, place: Place = by_name) -> Self:
        """Read the contract and the features that belong to ``problem``.

        Args:
            problem: The YAML.
            folder: Where the other two files are.
            place: Says where in the YAML a field stands.

        Raises:
            DeclarationError: If a file is missing, the three do not fit together, or an
                estimator cannot be imported; the message lists everything that was found.
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
        declared._check_fields(place)
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

    def _check_fields(self, place: Place) -> None:
        found = (*self._wrong_classes(), *self._wrong_scenarios(), *self._unknown_columns())
        if found:
            raise DeclarationError("\n".join(f"{place(field)}: {fault}" for field, fault in found))

    def _wrong_classes(self) -> Iterator[tuple[Field, str]]:
        for number, candidate in enumerate(self.problem.candidates):
            fault = import_fault(candidate.estimator)
            if fault is not None:
                yield ("candidates", number, "estimator"), fault
        grey_box = self.problem.grey_box
        fault = import_fault(grey_box) if grey_box is not None else None
        if fault is not None:
            yield ("grey_box",), fault

    def _wrong_scenarios(self) -> Iterator[tuple[Field, str]]:
        problem = self.problem
        sources: dict[Field, Source] = {("source",): problem.source}
        if problem.label.source is not None:
            sources["label", "source", "source"] = problem.label.source.source
        for name, reference in problem.references.items():
            sources["references", name, "source"] = reference.source
        for field, source in sources.items():
            fault = scenario_fault(source) if isinstance(source, SimulatorSource) else None
            if fault is not None:
                yield (*field, "scenario"), fault

    def _unknown_columns(self) -> Iterator[tuple[Field, str]]:
        problem, names = self.problem, self.contract.contract.names
        wanted: dict[Field, str] = {
            (field, number): column
            for field in ("keys", "after_event")
            for number, column in enumerate(getattr(problem, field))
        }
        if problem.label.source is None:
            wanted["label", "column"] = problem.label.column
        elif problem.label.column in names:
            yield (
                ("label", "column"),
                f"{self.folder / CONTRACT_FILE} holds {problem.label.column!r}, but the label has "
                "a source of its own (label.source). Remove it from one of the two.",
            )
        for number, column in enumerate(problem.serving.traffic.routing_key):
            field: Field = ("serving", "traffic", "routing_key", number)
            if column in self.hidden:
                yield (
                    field,
                    f"No request knows {column!r}. Choose a column that is known when one asks.",
                )
            else:
                wanted[field] = column
        for field, column in wanted.items():
            if column not in names:
                yield (
                    field,
                    f"There is no column {column!r} in {self.folder / CONTRACT_FILE}. "
                    f"{nearest(column, names)}",
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
