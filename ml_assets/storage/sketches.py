"""whylogs as this project uses it: what a profile holds, and how it is written and read.

Importing this module imports whylogs, which takes seconds: import it inside functions.

whylogs 1.6 asks numpy for an alias that numpy 2 removed; its type mapper is the extension point
that avoids it. Reading goes through whylogs' own messages and sketches, column by column, which is
ten times faster than building its view.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Literal

# Read when whylogs is imported: it would call home otherwise.
os.environ["WHYLOGS_NO_ANALYTICS"] = "1"

import numpy as np
import pandas as pd
from google.protobuf.message import DecodeError
from whylogs.core import DatasetProfile, DatasetSchema
from whylogs.core.datatypes import AnyType, DataType, Fractional, Integral, String, TypeMapper
from whylogs.core.errors import DeserializationError
from whylogs.core.metrics import StandardMetric
from whylogs.core.metrics.metrics import Metric
from whylogs.core.preprocessing import ColumnProperties
from whylogs.core.proto import (
    ChunkHeader,
    ChunkMessage,
    DatasetProfileHeader,
    DatasetSegmentHeader,
)
from whylogs.core.resolvers import Resolver
from whylogs.core.schema import ColumnSchema
from whylogs.core.utils import read_delimited_protobuf
from whylogs_sketching import (  # pyrefly: ignore[missing-import]
    frequent_items_error_type,
    frequent_strings_sketch,
    kll_doubles_sketch,
)

MAGIC = b"WHY1"
PYTHON_TYPES: Mapping[Literal["float", "string"], type] = {"float": float, "string": str}


class _Text(String):
    """Text, without the alias that numpy 2 removed."""

    @classmethod
    def _do_match(cls, dtype_or_type: Any, maybe_type: Any) -> bool:  # noqa: ANN401
        if getattr(dtype_or_type, "name", None) == "object":
            return True
        found = maybe_type or dtype_or_type
        return isinstance(found, type) and issubclass(found, str)


class _TypeMapper(TypeMapper):
    """Maps types to whylogs' own, on numpy 2."""

    def __call__(self, dtype_or_type: Any) -> DataType:  # noqa: ANN401
        for kind in (Integral, Fractional, _Text):
            if kind.match(dtype_or_type):
                return kind()
        return AnyType()


class _LeanResolver(Resolver):
    """Keeps what is read again: counts, and a distribution or the frequent items."""

    def resolve(
        self, name: str, why_type: DataType, column_schema: ColumnSchema
    ) -> dict[str, Metric]:
        """Return the metrics of one column."""
        metrics = [StandardMetric.counts, StandardMetric.types]
        if isinstance(why_type, String):
            metrics += [StandardMetric.frequent_items, StandardMetric.cardinality]
        else:
            metrics.append(StandardMetric.distribution)
        return {metric.name: metric.zero(column_schema.cfg) for metric in metrics}


def write_profile(
    frame: pd.DataFrame,
    kinds: Mapping[str, Literal["float", "string"]],
    *,
    metadata: Mapping[str, str],
    timestamp: datetime,
) -> bytes:
    """Return the profile of a frame in canonical form.

    whylogs looks at every value on its own unless a column is declared homogeneous, which allows no
    missing value. So the two parts of each column are profiled apart and merged: the same figures,
    ten times faster.

    Args:
        frame: float64 columns with NaN, and object columns of text with None.
        kinds: What the columns hold; one that the frame lacks is profiled as empty.
        metadata: Kept in the profile.
        timestamp: Start of the hour.
    """
    fast, slow = (
        DatasetProfile(
            _schema(kinds, homogeneous=homogeneous),
            dataset_timestamp=timestamp,
            metadata=dict(metadata),
        )
        for homogeneous in (True, False)
    )
    for name in frame:
        missing = frame[name].isna()
        if not missing.all():
            fast.track(pandas=frame.loc[~missing, [name]].reset_index(drop=True))
        if missing.any():
            slow.track(pandas=frame.loc[missing, [name]].reset_index(drop=True))
    return fast.view().merge(slow.view()).serialize()


def _schema(kinds: Mapping[str, Literal["float", "string"]], *, homogeneous: bool) -> DatasetSchema:
    plain = {name: PYTHON_TYPES[kind] for name, kind in kinds.items()}
    fast = {name: (kind, ColumnProperties.homogeneous) for name, kind in plain.items()}
    return DatasetSchema(
        types=fast if homogeneous else plain,
        type_mapper=_TypeMapper(),
        resolvers=_LeanResolver(),
    )


@dataclass(frozen=True)
class ColumnSketch:
    """What a profile holds of one column."""

    rows: int
    missing: int
    distribution: kll_doubles_sketch | None
    frequent: frequent_strings_sketch | None
    mean: float | None = None
    squares: float | None = None  # sum of the squared distances from the mean

    @property
    def described(self) -> tuple[float | None, ...]:
        """Smallest and largest value, mean and squares; None for text and without a value."""
        if self.distribution is None or self.distribution.is_empty():
            return None, None, None, None
        low, high = self.distribution.get_min_value(), self.distribution.get_max_value()
        return low, high, self.mean, self.squares

    def ranks(self, edges: tuple[float, ...]) -> np.ndarray:
        """Return how many values lie below each edge, and how many there are in all."""
        if self.distribution is None or self.distribution.is_empty():
            return np.zeros(len(edges) + 1, dtype=np.int64)
        total = self.distribution.get_n()
        shares = np.array(self.distribution.get_cdf(list(edges)))
        return np.rint(shares * total).astype(np.int64)

    def items(self) -> dict[str, int]:
        """Return the rows of each category; exact up to several hundred categories."""
        if self.frequent is None:
            return {}
        found = self.frequent.get_frequent_items(frequent_items_error_type.NO_FALSE_POSITIVES)
        return {name: int(rows) for name, rows, *_ in found}


@dataclass(frozen=True)
class Profile:
    """What is read of a profile."""

    timestamp: datetime
    metadata: Mapping[str, str]
    columns: Mapping[str, ColumnSketch]


def read_profile(content: bytes, *, columns: bool = True) -> Profile:
    """Read a profile, or its head alone.

    Raises:
        ValueError: If the bytes are not a whole whylogs profile.
    """
    if not content.startswith(MAGIC):
        message = f"a whylogs profile starts with {MAGIC!r}, this with {content[:4]!r}"
        raise ValueError(message)
    file = BytesIO(content)
    file.seek(len(MAGIC))
    try:
        read_delimited_protobuf(file, DatasetSegmentHeader)
        head = read_delimited_protobuf(file, DatasetProfileHeader)
        sketches = _sketches(file, head) if columns else {}
    except (DecodeError, DeserializationError) as error:
        message = "the file is cut short or damaged"
        raise ValueError(message) from error
    moment = datetime.fromtimestamp(head.properties.dataset_timestamp / 1000, tz=UTC)
    return Profile(moment, dict(head.properties.metadata), sketches)


def _sketches(file: BytesIO, head: DatasetProfileHeader) -> dict[str, ColumnSketch]:
    start = file.tell()
    names = head.indexed_metric_paths
    sketches = {}
    for column, offsets in head.column_offsets.items():
        components: dict[str, Any] = {}
        for offset in offsets.offsets:
            file.seek(start + offset)
            length = read_delimited_protobuf(file, ChunkHeader).length
            content = file.read(length)
            if len(content) < length or not content:  # a shorter message may still parse
                raise DecodeError
            chunk = ChunkMessage.FromString(content)
            components |= {names[index]: part for index, part in chunk.metric_components.items()}
        sketches[column] = _sketch(components)
    return sketches


def _sketch(components: Mapping[str, Any]) -> ColumnSketch:
    kll = components.get("distribution/kll")
    items = components.get("frequent_items/frequent_strings")
    mean, squares = components.get("distribution/mean"), components.get("distribution/m2")
    return ColumnSketch(
        rows=components["counts/n"].n,
        missing=components["counts/null"].n,
        distribution=kll and kll_doubles_sketch.deserialize(kll.kll.sketch),
        frequent=items and frequent_strings_sketch.deserialize(items.frequent_items.sketch),
        mean=mean and mean.d,
        squares=squares and squares.d,
    )
