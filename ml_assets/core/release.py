"""A release: the files that answer requests, and nothing else.

A release holds the model, the features' SQL and the rows of the past that the SQL may need. It is
named by the sha256 of its files. Whoever loads it verifies these first.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any, Literal, Self

from ml_assets.core.contract import Contract
from ml_assets.core.errors import ArtefactError
from ml_assets.core.feature_query import BASELINE_PREFIX, FeatureQuery, PastLabel
from ml_assets.core.feature_values import FeatureNames
from ml_assets.core.feature_views import History
from ml_assets.core.problem.learning import Task
from ml_assets.core.rate_limit import RateLimit
from ml_assets.core.request_schema import RequestSchema
from ml_assets.core.row_bounds import RowBounds

MODEL_FILE = "model.skops"
COMPILED_FILE = "model.npz"  # only where the model compiles
SQL_FILE = "features.sql"
CONTRACT_FILE = "contract.json"
RELEASE_FILE = "release.json"
HISTORY_FILE = "history.parquet"
LABELS_FILE = "labels.parquet"
REFERENCES_FOLDER = "references/"
GOLDEN_FILE = "golden.json"
ASSURANCE_FILE = "assurance.json"  # only where the evaluation gave enough rows
FALLBACK_FILE = "fallback.npz"  # the best baseline, unless it is the model itself
MANIFEST_FILE = "manifest.json"
BYTES_PER_ROW = 4096
SMALLEST_BODY_LIMIT = 65536
REQUIRED_FILES = (
    MODEL_FILE,
    SQL_FILE,
    CONTRACT_FILE,
    RELEASE_FILE,
    HISTORY_FILE,
    LABELS_FILE,
    GOLDEN_FILE,
)


@dataclass(frozen=True)
class Release:
    """What a release says of itself.

    Attributes:
        problem: Name of the problem.
        version: Name of the version in the ledger.
        task: What is predicted.
        keys: Columns that name the entity.
        target: Label column.
        after_event: Columns known only after the event; the labels' table holds them.
        label_delay: Truth is known this long after the event, at the latest.
        time: How the source declares the event time, as plain values; for readers only.
        numeric: Features that are numbers, in the model's order.
        categorical: Features that are texts, in the model's order, after the numbers.
        classes: Classes in the order of the probabilities; empty for a regression.
        past_labels: Baselines that read past labels; each is one more input column.
        reach: How far back rows and labels are read.
        max_rows: Rows in one request, at most.
        latency_ms: Median time to answer one row that must be kept.
        unknown_category: What happens to a value that the contract does not list.
        rate_limit: How often one caller may ask; None without a bound.
        recent_rows: How many rows the server remembers at most.
        evaluator: What computes the answers, and why it is not the compiled model if it is not.
    """

    problem: str
    version: str
    task: Task
    keys: tuple[str, ...]
    target: str
    after_event: tuple[str, ...]
    label_delay: timedelta
    time: Mapping[str, Any]
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    classes: tuple[str | int | float | bool, ...]
    past_labels: tuple[PastLabel, ...]
    reach: History
    max_rows: int = 1000
    latency_ms: float = 200.0
    unknown_category: Literal["accept", "reject"] = "accept"
    rate_limit: RateLimit | None = None
    recent_rows: RowBounds = field(default_factory=RowBounds)
    evaluator: str = "scikit-learn"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns the model is given, in order."""
        baselines = (BASELINE_PREFIX + past.name for past in self.past_labels)
        return (*self.numeric, *self.categorical, *baselines)

    @property
    def feature_names(self) -> FeatureNames:
        """The inputs by their kind."""
        past_labels = self.inputs[len(self.numeric) + len(self.categorical) :]
        return FeatureNames(self.numeric, self.categorical, past_labels)

    @property
    def body_limit(self) -> int:
        """Largest body of a request, in bytes."""
        return max(SMALLEST_BODY_LIMIT, BYTES_PER_ROW * self.max_rows)

    def query(self, sql: str) -> FeatureQuery:
        """Return features.sql with the baselines that read past labels."""
        return FeatureQuery(sql, self.keys, self.target, self.past_labels)

    def schema(self, contract: Contract) -> RequestSchema:
        """Return the decoder of requests."""
        return RequestSchema(
            contract,
            self.keys,
            self.max_rows,
            self.unknown_category,
            max_bytes=self.body_limit,
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values; durations are in seconds."""
        past = [
            {"name": p.name, "period": _seconds(p.period), "reach": _seconds(p.reach)}
            for p in self.past_labels
        ]
        return {
            **asdict(self),
            "label_delay": _seconds(self.label_delay),
            "past_labels": past,
            "reach": {"rows": _seconds(self.reach.rows), "labels": _seconds(self.reach.labels)},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Build the release that ``to_json`` described."""
        past = tuple(
            PastLabel(p["name"], _duration(p["period"]), timedelta(seconds=p["reach"]))
            for p in values["past_labels"]
        )
        reach = {name: timedelta(seconds=length) for name, length in values["reach"].items()}
        limit = values.get("rate_limit")
        lists = ("keys", "after_event", "numeric", "categorical", "classes")
        fields: dict[str, Any] = {
            **values,
            **{name: tuple(values[name]) for name in lists},
            "label_delay": timedelta(seconds=values["label_delay"]),
            "past_labels": past,
            "reach": History(**reach),
            "rate_limit": RateLimit(**limit) if limit else None,
            "recent_rows": RowBounds(**values["recent_rows"]),
        }
        return cls(**fields)


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def manifest_of(files: Mapping[str, bytes]) -> bytes:
    """Return ``manifest.json`` for a folder: sha256 and size of each other file, sorted by name.

    The sha256 of the manifest is the digest that names the release in the store of artefacts.

    Example:
        >>> sorted(json.loads(manifest_of({"b": b"x", "a": b""}))["files"])
        ['a', 'b']
    """
    listed = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for name, content in files.items()
        if name != MANIFEST_FILE
    }
    return json.dumps({"files": listed}, indent=1, sort_keys=True).encode()


def digest_of(files: Mapping[str, bytes]) -> str:
    """Return the digest that names a release."""
    return hashlib.sha256(files[MANIFEST_FILE]).hexdigest()


def verify_manifest(files: Mapping[str, bytes], *, digest: str | None = None) -> None:
    """Compare every file with the manifest, and the manifest with the digest.

    Args:
        files: Content of each file of the release, ``manifest.json`` among them.
        digest: What the release must be called, if that is known.

    Raises:
        ArtefactError: If a file was changed, is missing or was added, or a file that every
            release holds is not there.
    """
    if MANIFEST_FILE not in files:
        message = f"The release has no {MANIFEST_FILE}: nothing says whether its files are whole."
        raise ArtefactError(message)
    if digest is not None and digest != digest_of(files):
        message = f"The release is {digest_of(files)}, not {digest}. Point to the right folder."
        raise ArtefactError(message)
    stored = json.loads(files[MANIFEST_FILE])["files"]
    found = json.loads(manifest_of(files))["files"]
    wrong = {
        "changed": [name for name in stored if name in found and stored[name] != found[name]],
        "missing": [name for name in {*stored, *REQUIRED_FILES} if name not in found],
        "not in the manifest": [name for name in found if name not in stored],
    }
    told = [f"{what}: {sorted(names)}" for what, names in wrong.items() if names]
    if told:
        message = f"The release is not what was stored ({'; '.join(told)}). Restore or rebuild it."
        raise ArtefactError(message)
