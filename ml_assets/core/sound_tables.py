"""Tables of requests that break no rule, told without looking at each value.

What is found wanting here is looked at once more, value by value, by who explains what is wrong.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.core.arrow_columns import encode, joined, microseconds, schema_of, values_in
from ml_assets.core.contract import Kind
from ml_assets.core.request_rows import EVENT_TIME, TIMES
from ml_assets.core.request_rules import Rule
from ml_assets.core.request_tables import fits

_TIMES = tuple(map(microseconds, TIMES))


class SoundTables:
    """Recognises the tables of one contract that break no rule.

    Args:
        kinds: Kind of each column of a request; ``event_time`` is one of them.
        rules: Which values the columns may hold.
        required: Columns in which no value may be missing.
        keys: Columns that name the entity.
    """

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        rules: Sequence[Rule],
        *,
        required: Collection[str],
        keys: Sequence[str],
    ) -> None:
        self._kinds = kinds
        self._schema = schema_of(kinds)
        self._rules = {rule.name: rule for rule in rules}
        self._bounded = {r.name for r in rules if r.kind == "float" and r.allowed is None}
        self._required = frozenset(required)
        self._keys = tuple(keys)

    def sound(self, table: pa.Table, now: datetime) -> pa.Table | None:
        """Return the table in the types that features are computed from.

        Args:
            table: Rows of a request, one or more; it has no unknown column.
            now: Event time of rows that carry none, in UTC.

        Returns:
            None if a closer look is needed.
        """
        found = self._typed(table, now)
        return found if found is not None and self._is_sound(found) else None

    def keeps_rules(self, table: pa.Table, rules: Sequence[Rule]) -> bool:
        """Say whether a table in these types breaks no rule, beyond those its values show already.

        Args:
            table: Rows of a request.
            rules: Those that are still to be looked at.
        """
        times = [name for name, kind in self._kinds.items() if kind == "datetime"]
        return (
            all(_lies_near(table.column(name)) for name in times)
            and all(rule.holds_in(table.column(rule.name)) for rule in rules)
            and self._are_distinct(table)
        )

    def _typed(self, table: pa.Table, now: datetime) -> pa.Table | None:
        if table.schema.metadata:
            table = table.replace_schema_metadata()
        if table.schema.equals(self._schema, check_metadata=True):
            return table
        columns = []
        for name, kind in self._kinds.items():
            if name in table.schema.names:
                column = self._column(table.column(name), name, kind)
            else:
                column = self._absent(name, kind, table.num_rows, now)
            if column is None:
                return None
            columns.append(column)
        return pa.Table.from_arrays(columns, schema=self._schema)

    def _column(self, column: pa.ChunkedArray, name: str, kind: Kind) -> pa.ChunkedArray | None:
        plain = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if not fits(plain, kind):
            return None
        wanted = self._schema.field(name).type
        if column.type == wanted:
            return column
        try:
            return column.cast(wanted)
        except pa.ArrowInvalid:
            return None

    def _absent(self, name: str, kind: Kind, rows: int, now: datetime) -> pa.ChunkedArray:
        values = [now if name == EVENT_TIME else None] * rows
        array = encode(kind, values).array(self._schema.field(name).type, rows)
        return pa.chunked_array([array])

    def _is_sound(self, table: pa.Table) -> bool:
        whole = []
        for place, (name, column) in enumerate(zip(self._kinds, table.columns, strict=True)):
            gaps = column.null_count
            if gaps and name in self._required:
                return False
            if not gaps and name in self._bounded:
                whole.append(place)
            elif not self._holds(name, column):
                return False
        if whole and not self._all_hold(table.select(whole)):
            return False
        return self._are_distinct(table)

    def _holds(self, name: str, column: pa.ChunkedArray) -> bool:
        """Say whether no value of a column breaks a rule."""
        if self._kinds[name] == "float" and _has_nan(column):
            return False
        if self._kinds[name] == "datetime" and not _lies_near(column):
            return False
        rule = self._rules.get(name)
        return rule is None or rule.holds_in(column)

    def _all_hold(self, table: pa.Table) -> bool:
        """Say the same of columns of floats without gaps, at once: each question has its price."""
        rules = [self._rules[name] for name in table.schema.names]
        for batch in table.to_batches():
            matrix = batch.to_tensor(row_major=False).to_numpy()
            lows, highs = matrix.min(axis=0).tolist(), matrix.max(axis=0).tolist()
            # Where there is NaN, it is the lowest and the highest, and within no bounds.
            if not all(map(Rule.holds, rules, zip(lows, highs, strict=True))):
                return False
        return True

    def _are_distinct(self, table: pa.Table) -> bool:
        """Say whether each row has an identity of its own."""
        if table.num_rows == 1:
            return True
        times = joined(table.column(EVENT_TIME), np.int64)
        if (times[1:] > times[:-1]).all():
            return True
        times = np.sort(times)
        if (times[1:] != times[:-1]).all():
            return True
        if not self._keys:
            return False
        names = list(dict.fromkeys((*self._keys, EVENT_TIME)))
        return table.select(names).group_by(names).aggregate([]).num_rows == table.num_rows


def _has_nan(column: pa.ChunkedArray) -> bool:
    if column.null_count:  # anything may lie in memory where a value is missing
        found = pc.is_nan(column)  # pyrefly: ignore[missing-attribute]
        return True in found.unique().to_pylist()
    return any(np.isnan(values).any() for values in values_in(column, np.float64))


def _lies_near(column: pa.ChunkedArray) -> bool:
    """Say whether later stages can hold all times."""
    if column.null_count:
        column = column.drop_null()
    return all(
        _TIMES[0] <= values.min() and values.max() < _TIMES[1]
        for values in values_in(column, np.int64)
    )
