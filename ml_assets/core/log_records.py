"""Records of the prediction log for requests of many rows: tables instead of lines of JSON.

A segment of records is a file to which records are appended. A record is ``MAGIC``, the length of
what follows as eight bytes, the lowest first, and an Arrow stream of one batch. What holds for all
of its rows is in the schema's metadata. Its columns: ``event_time``, the structures ``inputs`` and
``features``, ``prediction`` and, for classes, the structure ``probabilities``; where the release
says more, what it says, under the names that a line of JSON has.

A number that is the input of its name, to the bit, is not written twice: the metadata list all
features, and the structure holds the others. Of texts that many rows share the structure holds
codes, and the metadata the texts.
"""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from ml_assets.core.answering import Answers
from ml_assets.core.arrow_columns import ARROW_TYPES, Encoded, encode, floats
from ml_assets.core.assurance import AssuredRows
from ml_assets.core.contract import Kind
from ml_assets.core.errors import ArtefactError
from ml_assets.core.feature_values import FeatureValues
from ml_assets.core.request_rows import EVENT_TIME, RequestRows
from ml_assets.core.table_rows import as_table
from ml_assets.core.text_levels import Levels, Text

MAGIC = b"MLAREC1\n"
_HEAD = struct.Struct("<8sQ")
_KINDS: Mapping[type, Kind] = {float: "float", int: "integer", bool: "boolean", str: "string"}


@dataclass(frozen=True)
class Record:
    """What one request asked and was told.

    Attributes:
        request_id: Name of the request.
        at: When it was answered.
        version: Version that answered.
        revision: Revision of the deployment; 0 where the packed release serves.
        rows: The columns named above, one row a row of the request.
    """

    request_id: str
    at: datetime
    version: str
    revision: int
    rows: pa.RecordBatch


def record_bytes(
    rows: RequestRows,
    answers: Answers,
    *,
    kinds: Mapping[str, Kind],
    request_id: str,
    version: str,
    revision: int,
    at: datetime,
) -> bytes:
    """Return the record of a request.

    Args:
        rows: What was asked.
        answers: What was answered.
        kinds: Kind of each column of a request; ``event_time`` is one of them.
        request_id: Name of the request.
        version: Version that answered.
        revision: Revision of the deployment.
        at: When it answered.
    """
    table = as_table(rows, kinds).combine_chunks()
    given = dict(zip(table.schema.names, table.to_batches()[0].columns, strict=True))
    times = given.pop(EVENT_TIME)
    features = answers.features
    texts = _written(features)
    columns = {
        EVENT_TIME: times,
        "inputs": _structure(given, len(rows)),
        "features": _structure(dict(_features(features, given, texts)), len(rows)),
        "prediction": _plain(answers.predictions),
    }
    if answers.probabilities is not None:
        shares = np.ascontiguousarray(np.array(answers.probabilities, dtype=np.float64).T)
        named = zip(map(str, answers.classes), floats(shares), strict=True)
        columns["probabilities"] = _structure(dict(named), len(rows))
    if answers.beside is not None:
        columns |= _beside(answers.beside, answers.classes, len(rows))
    told = {"request_id": request_id, "version": version, "revision": str(revision)}
    told |= {"at": at.isoformat(), "features": json.dumps(features.names)}
    coded = {name: one.texts for name, one in texts.items() if isinstance(one, Levels)}
    told["texts"] = json.dumps(coded)
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    # The messages of a stream, without the writer that would keep count of more of them.
    schema, content = batch.schema.with_metadata(told).serialize(), batch.serialize()
    return b"".join((_HEAD.pack(MAGIC, schema.size + content.size), schema, content))


def read_records(content: memoryview, *, segment: str) -> Iterator[tuple[Record, int]]:
    """Yield the records of a segment, each with the place behind it.

    A record that is not whole at the end is one that a server is writing, or was writing when it
    was killed: no one was answered yet, and it is left out.

    Args:
        content: Of the segment, from the beginning of a record on.
        segment: Name of the segment, for an error.

    Raises:
        ArtefactError: If there is anything but records.
    """
    place = 0
    while len(content) - place >= _HEAD.size:
        magic, size = _HEAD.unpack_from(content, place)
        if magic != MAGIC:
            raise ArtefactError(_damaged(segment, place))
        start, place = place + _HEAD.size, place + _HEAD.size + size
        if place > len(content):
            return
        try:
            with pa.ipc.open_stream(pa.py_buffer(content[start:place])) as stream:
                told = {k.decode(): v.decode() for k, v in (stream.schema.metadata or {}).items()}
                record = Record(
                    told["request_id"],
                    datetime.fromisoformat(told["at"]).astimezone(UTC),
                    told["version"],
                    int(told["revision"]),
                    _with_features(
                        stream.read_next_batch(),
                        json.loads(told["features"]),
                        json.loads(told["texts"]),
                    ),
                )
        except (pa.ArrowException, OSError, KeyError, ValueError, StopIteration) as error:
            raise ArtefactError(_damaged(segment, start)) from error
        yield record, place


def _damaged(segment: str, place: int) -> str:
    return (
        f"The segment {segment} of the prediction log is damaged at byte {place}: no record begins "
        "there. Move it out of the spool, and look at the disk."
    )


def _with_features(
    rows: pa.RecordBatch, names: Sequence[str], texts: Mapping[str, Sequence[Text]]
) -> pa.RecordBatch:
    """Return the rows of a record with all features as they were."""
    place = rows.schema.names.index("features")
    inputs, own = _members(rows.column("inputs")), _members(rows.column("features"))
    own |= {name: _plain(known).take(own[name]) for name, known in texts.items()}
    features = {name: own[name] if name in own else inputs[name] for name in names}
    return rows.set_column(place, "features", _structure(features, rows.num_rows))


def _members(structure: pa.Array) -> dict[str, pa.Array]:
    if pa.types.is_null(structure.type):
        return {}
    names = [field.name for field in structure.type]
    return dict(zip(names, structure.flatten(), strict=True))


def _features(
    features: FeatureValues,
    inputs: Mapping[str, pa.Array],
    texts: Mapping[str, Sequence[Text]],
) -> Iterator[tuple[str, pa.Array]]:
    """Yield the features as they are written."""
    numbers = np.ascontiguousarray(features.numbers.T)
    names = features.names[: len(numbers)]
    own = [
        place
        for place, name in enumerate(names)
        if name not in inputs or not _is_same(numbers[place], inputs[name])
    ]
    yield from zip((names[place] for place in own), floats(numbers[own]), strict=True)
    past_labels = (
        floats(column[None])[0] if column.dtype.kind == "f" else _plain(column.tolist())
        for column in features.past_labels
    )
    others = (*map(_codes, texts.values()), *past_labels)
    yield from zip(features.names[len(numbers) :], others, strict=True)


def _is_same(numbers: np.ndarray, given: pa.Array) -> bool:
    """Say whether numbers are those of a column, to the bit; one with gaps is written anyway."""
    if given.type != ARROW_TYPES["float"] or given.null_count:
        return False
    known = given.buffers()[1].slice(given.offset * numbers.itemsize, numbers.nbytes)
    return known.equals(pa.py_buffer(numbers))


def _beside(said: AssuredRows, classes: tuple[Any, ...], rows: int) -> dict[str, pa.Array]:
    """Return what is said beside the predictions; what is not said has no column."""
    columns: dict[str, pa.Array] = {}
    if said.intervals is not None:
        bounds = np.ascontiguousarray(np.array(said.intervals, dtype=np.float64).T)
        columns["low"], columns["high"] = floats(bounds)
    if said.sets is not None:
        columns["prediction_set"] = pa.array(said.sets)
    if said.unfamiliar is not None:
        columns["unfamiliar"] = pa.array(said.unfamiliar)
    if said.raw is not None:
        columns["raw"] = _plain(said.raw)
    if said.raw_probabilities is not None:
        shares = np.ascontiguousarray(np.array(said.raw_probabilities, dtype=np.float64).T)
        named = zip(map(str, classes), floats(shares), strict=True)
        columns["raw_probabilities"] = _structure(dict(named), rows)
    if said.intervention is not None:
        columns["intervention"] = pa.repeat(said.intervention, rows)
    return columns


def _codes(column: Sequence[Text]) -> pa.Array:
    """Return the codes of texts that rows share, or the texts."""
    if not isinstance(column, Levels):
        return _plain(column)
    return Encoded(None, (column.codes.astype(np.int32),)).array(pa.int32(), len(column))


def _written(features: FeatureValues) -> dict[str, Sequence[Text]]:
    """Return the features that are texts; what only other requests held is not written."""
    first = features.numbers.shape[1]
    names = features.names[first : first + len(features.texts)]
    columns = (one.used() if isinstance(one, Levels) else one for one in features.texts)
    return dict(zip(names, columns, strict=True))


def _plain(values: Sequence[Any]) -> pa.Array:
    """Return plain values of one type as an array."""
    text: Kind = "string"
    kind = next((_KINDS[type(value)] for value in values if value is not None), text)
    return encode(kind, values).array(ARROW_TYPES[kind], len(values))


def _structure(arrays: Mapping[str, pa.Array], rows: int) -> pa.Array:
    if not arrays:
        return pa.nulls(rows)
    return pa.StructArray.from_arrays(list(arrays.values()), list(arrays))
