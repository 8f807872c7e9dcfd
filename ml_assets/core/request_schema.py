"""What a request may hold: its strict decoding, made from the contract.

A body is one row, or ``{"rows": [row, ...]}``. A row holds the keys, the contract's columns and,
if it did not happen just now, its ``event_time``. Nothing is converted and nothing is ignored:
a wrong type, an unknown field or a value outside the contract refuses the request. A body may
also be an Arrow stream or a Parquet file with one column for each field, read as strictly.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any, Literal

import msgspec
import pyarrow as pa
from msgspec.structs import astuple

from ml_assets.core.arrow_columns import kinds_of
from ml_assets.core.contract import Column, Contract, Kind
from ml_assets.core.errors import nearest
from ml_assets.core.request_faults import explained
from ml_assets.core.request_rows import (
    EVENT_TIME,
    FEW,
    MAX_FAULTS,
    TIMES,
    Fault,
    Refused,
    RequestRows,
)
from ml_assets.core.request_rules import Rule
from ml_assets.core.request_tables import Unreadable, names_of, read_table, values_of
from ml_assets.core.sound_tables import SoundTables
from ml_assets.core.table_rows import TableRows, as_table, plain

BodyKind = Literal["json", "arrow", "parquet"]
ROWS = "rows"

_TYPES: Mapping[Kind, Any] = {
    "float": float,
    "integer": int,
    "string": str,
    "boolean": bool,
    "datetime": Annotated[datetime, msgspec.Meta(tz=True)],
}
_STATUS: Mapping[str, Literal[400, 413, 415]] = {
    "arrow": 400,
    "parquet": 400,
    "size": 413,
    "compression": 415,
}
_EVENT_TIME = Column(EVENT_TIME, "datetime")
# How a body of several rows usually begins; any other spelling is read too, less fast.
_MANY = b'{"rows":'


@dataclass(frozen=True)
class RequestSchema:
    """Decodes requests for one release.

    Attributes:
        contract: The columns a row may hold: no target, nothing known only after the event.
        keys: Columns that name the entity; always required.
        max_rows: Rows in one request, at most.
        unknown_category: Whether a value that the contract does not list is refused.
        max_bytes: Bytes that the columns of a table may take once they are read.
        columns: The contract's columns without ``event_time``.
        kinds: Kind of each column of a request; ``event_time`` is one of them.

    Example:
        >>> schema = RequestSchema(Contract((Column("load", "float", at_most=9.0),)))
        >>> now = datetime(2024, 1, 1, tzinfo=UTC)
        >>> schema.decode(b'{"load": 3}', now=now).columns
        {'load': [3.0]}
        >>> schema.decode(b'{"load": 30}', now=now).faults[0].message
        "'load' is 30.0, above the largest allowed value 9.0."
    """

    contract: Contract
    keys: tuple[str, ...] = ()
    max_rows: int = 1000
    unknown_category: Literal["accept", "reject"] = "accept"
    max_bytes: int = 4_194_304
    _rows: msgspec.json.Decoder = field(init=False, repr=False, compare=False)
    _fields: msgspec.json.Decoder = field(init=False, repr=False, compare=False)
    columns: tuple[Column, ...] = field(init=False, repr=False, compare=False)
    _names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _moments: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _one_sound: msgspec.json.Decoder = field(init=False, repr=False, compare=False)
    _many_sound: msgspec.json.Decoder = field(init=False, repr=False, compare=False)
    _rules: tuple[Rule, ...] = field(init=False, repr=False, compare=False)
    _tables: SoundTables = field(init=False, repr=False, compare=False)
    kinds: dict[str, Kind] = field(init=False, repr=False, compare=False)
    _further_rules: tuple[Rule, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Every row may carry its event time, whether the contract lists it or not.
        columns = tuple(column for column in self.contract.columns if column.name != EVENT_TIME)
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "_names", tuple(column.name for column in columns))
        moments = tuple(column.name for column in columns if column.kind == "datetime")
        object.__setattr__(self, "_moments", moments)
        rules = tuple(map(self._rule, columns))
        row = self._struct([_TYPES[column.kind] for column in columns])
        # The same with the bounds in the types: what it reads, breaks none of them.
        sound = self._struct(
            [rule.bounded(_TYPES[column.kind]) for rule, column in zip(rules, columns, strict=True)]
        )
        many = msgspec.defstruct("Rows", [(ROWS, list[sound])], forbid_unknown_fields=True)
        further = tuple(rule for rule in rules if not rule.is_bounds)
        object.__setattr__(self, "_rules", rules)
        object.__setattr__(self, "kinds", kinds_of(self.contract))
        required = {column.name for column in (*columns, _EVENT_TIME) if self.requires(column)}
        tables = SoundTables(self.kinds, rules, required=required, keys=self.keys)
        object.__setattr__(self, "_tables", tables)
        object.__setattr__(self, "_further_rules", further)
        object.__setattr__(self, "_rows", msgspec.json.Decoder(list[row]))
        object.__setattr__(self, "_one_sound", msgspec.json.Decoder(sound))
        object.__setattr__(self, "_many_sound", msgspec.json.Decoder(many))
        object.__setattr__(self, "_fields", msgspec.json.Decoder(dict[str, msgspec.Raw]))

    def requires(self, column: Column) -> bool:
        """Return whether each row must hold a value in ``column``."""
        return not column.nullable or column.name in self.keys

    def decode(
        self, body: bytes, *, now: datetime, kind: BodyKind = "json"
    ) -> RequestRows | Refused:
        """Return the rows of a request, or why they are refused.

        Args:
            body: The request's bytes.
            now: Event time of rows that carry none, in UTC.
            kind: What the bytes are.
        """
        rules = self._rules
        if kind != "json":
            decoded = self._of_table(body, now, kind)
            if isinstance(decoded, TableRows):
                return decoded  # it breaks no rule
        elif (sound := self._sound(body)) is not None:
            decoded, rules = self._by_column(sound, now), self._further_rules
            if (table := self._as_sound_table(decoded)) is not None:
                return table
        else:
            decoded = self._of_json(body, now)
        if isinstance(decoded, Refused):
            return decoded
        faults = _first(self._distant(decoded)) or _first(self._broken(rules, decoded))
        if faults:
            return Refused(422, faults)
        return decoded if len(decoded) <= FEW else TableRows(as_table(decoded, self.kinds))

    def _sound(self, body: bytes) -> list[Any] | None:
        """Return rows within all bounds, read in one go; None if the body needs a closer look."""
        many = body.startswith(_MANY) and ROWS not in self.contract.by_name
        try:
            return self._many_sound.decode(body).rows if many else [self._one_sound.decode(body)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def _as_sound_table(self, decoded: RequestRows | Refused) -> TableRows | None:
        """Return many rows within all bounds as a table; None if they need a closer look."""
        if isinstance(decoded, Refused) or len(decoded) <= FEW:
            return None
        table = as_table(decoded, self.kinds)
        return TableRows(table) if self._tables.keeps_rules(table, self._further_rules) else None

    def _of_json(self, body: bytes, now: datetime) -> RequestRows | Refused:
        try:
            rows = self._rows.decode(self._list(body))
        except msgspec.ValidationError as error:
            return Refused(422, (explained(error, known=(*self._names, EVENT_TIME)),))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Refused(400, (Fault(None, None, "json", f"The body is not JSON: {error}."),))
        return self._by_column(rows, now)

    def _by_column(self, rows: Sequence[Any], now: datetime) -> RequestRows | Refused:
        if not 0 < len(rows) <= self.max_rows:
            return Refused(422, (self._row_count(len(rows)),))
        *columns, times = zip(*map(astuple, rows), strict=True)
        times = [now if time is msgspec.UNSET else time for time in times]
        return RequestRows(times, dict(zip(self._names, map(list, columns), strict=True)))

    def _of_table(
        self, body: bytes, now: datetime, kind: Literal["arrow", "parquet"]
    ) -> RequestRows | Refused:
        try:
            table = read_table(body, kind, max_rows=self.max_rows, max_bytes=self.max_bytes)
            self._check_known(names_of(table))
            if not table.num_rows:
                return Refused(422, (self._row_count(0),))
            if (sound := self._tables.sound(table, now)) is not None:
                return TableRows(sound) if len(sound) > FEW else plain(sound)
            columns = {column.name: self._column_of(table, column) for column in self.columns}
            given = EVENT_TIME in table.schema.names
            moments = values_of(table.column(EVENT_TIME), _EVENT_TIME) if given else None
        except Unreadable as error:
            fault = Fault(None, error.column, error.rule, str(error))
            return Refused(_STATUS.get(error.rule, 422), (fault,))
        times = moments or [now] * table.num_rows
        faults = _first(self._gaps({**columns, EVENT_TIME: times}))
        return Refused(422, faults) if faults else RequestRows(times, columns)

    def _column_of(self, table: pa.Table, column: Column) -> list[Any]:
        if column.name in table.schema.names:
            return values_of(table.column(column.name), column)
        if self.requires(column):
            message = f"The column {column.name!r} is missing."
            raise Unreadable(message, rule="required", column=column.name)
        return [None] * table.num_rows

    def _check_known(self, names: Sequence[str]) -> None:
        known = (*self._names, EVENT_TIME)
        name = next((name for name in names if name not in known), None)
        if name is not None:
            message = f"Unknown field {name!r}. {nearest(name, known)}"
            raise Unreadable(message, rule="unknown_field", column=name)

    def _gaps(self, columns: Mapping[str, Sequence[Any]]) -> Iterator[Fault]:
        """Yield the nulls of a table where a value is required."""
        for column in (*self.columns, _EVENT_TIME):
            if not self.requires(column):
                continue
            for position, value in enumerate(columns[column.name]):
                if value is None:
                    message = f"{column.name!r} is null; a value is required."
                    yield Fault(position, column.name, "type", message)

    def _row_count(self, rows: int) -> Fault:
        message = f"A request holds 1 to {self.max_rows} rows; found {rows}."
        return Fault(None, ROWS, "row_count", message)

    def _struct(self, kinds: Sequence[Any]) -> type[msgspec.Struct]:
        """Return a row whose columns are of these types."""
        # Columns such as "pm2.5" are no identifiers: fields are numbered and renamed.
        fields = [
            (f"c{n}", kind) if self.requires(column) else (f"c{n}", kind | None, None)
            for n, (column, kind) in enumerate(zip(self.columns, kinds, strict=True))
        ]
        return msgspec.defstruct(
            "Row",
            [*fields, (EVENT_TIME, _TYPES["datetime"] | msgspec.UnsetType, msgspec.UNSET)],
            kw_only=True,
            forbid_unknown_fields=True,
            gc=False,  # rows hold no cycles: the collector need not visit thousands of them
            rename={f"c{n}": column.name for n, column in enumerate(self.columns)},
        )

    def _list(self, body: bytes) -> bytes | msgspec.Raw:
        fields = self._fields.decode(body)
        if ROWS not in fields or ROWS in self.contract.by_name:
            return b"[" + body + b"]"
        others = sorted(fields.keys() - {ROWS})
        if others:
            message = f"Object contains unknown field `{others[0]}`"
            raise msgspec.ValidationError(message)
        return fields[ROWS]

    def _distant(self, rows: RequestRows) -> Iterator[Fault]:
        """Yield times that later stages cannot hold, and bring the others to UTC."""
        moments = {name: rows.columns[name] for name in self._moments}
        for name, values in {EVENT_TIME: rows.event_times, **moments}.items():
            for position, moment in enumerate(values):
                if moment is None or (moment.tzinfo is UTC and TIMES[0] <= moment < TIMES[1]):
                    continue
                if TIMES[0] <= moment < TIMES[1]:
                    values[position] = moment.astimezone(UTC)
                else:
                    message = f"{name!r} lies outside the years 1678 to 2261: {moment}."
                    yield Fault(position, name, "time", message)

    def _broken(self, rules: Sequence[Rule], rows: RequestRows) -> Iterator[Fault]:
        for rule in rules:
            values = rows.columns[rule.name]
            if not rule.holds(values):
                yield from rule.broken(values)
        if len(rows) == 1:
            return
        identities = rows.identities(self.keys)
        if len(set(identities)) == len(identities):
            return
        first: dict[tuple[Any, ...], int] = {}
        for position, identity in enumerate(identities):
            earlier = first.setdefault(identity, position)
            if earlier != position:
                named = ", ".join([*self.keys, EVENT_TIME])
                message = (
                    f"Row {position} has the same {named} as row {earlier}: give each its own."
                )
                yield Fault(position, EVENT_TIME, "unique", message)

    def _rule(self, column: Column) -> Rule:
        return Rule.of_column(column, only_listed=self.unknown_category == "reject")


def _first(faults: Iterator[Fault]) -> tuple[Fault, ...]:
    return tuple(islice(faults, MAX_FAULTS))
