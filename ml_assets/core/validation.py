"""Validated rows and rejected rows: every raw row becomes one or the other, never both.

Text is judged in SQL (``core.reading``), values by the contract's pandera schema, identity last:
a row that breaks the contract never displaces one that keeps it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from ml_assets.core.contract import Contract
from ml_assets.core.errors import DataError
from ml_assets.core.problem import Format, Problem, SimulatorSource
from ml_assets.core.reading import duplicates_sql, literal, quoted, typed_sql

if TYPE_CHECKING:  # pandera takes seconds to import
    import pandera.pandas as pandera

FAILURES = ("position", "rule", "column", "value")
# What an int64 or bool column of a DataFrame cannot hold: a missing value.
NULLABLE = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}


@dataclass(frozen=True)
class LoadedContract:
    """What contract.py says.

    Attributes:
        model: The pandera model as it was written.
        schema: Its schema, with this house's types and nothing in it that changes rows.
        contract: The columns as plain values.
    """

    model: "type[pandera.DataFrameModel]"
    schema: "pandera.DataFrameSchema"
    contract: Contract


@dataclass(frozen=True)
class ValidatedRows:
    """The two parts of some raw rows.

    Attributes:
        valid: ``_date``, ``event_time``, ``known_at``, ``_file``, ``_row``, and the contract's
            columns, typed.
        rejected: ``_date``, ``_time``, ``_file``, ``_row``, ``rule``, ``column``, ``value`` and
            ``original`` (JSON of the row's text by column).
    """

    valid: pa.Table
    rejected: pa.Table


def validate_rows(
    connection: duckdb.DuckDBPyConnection,
    raw: str,
    problem: Problem,
    contract: LoadedContract,
) -> ValidatedRows:
    """Divide raw rows into valid and rejected ones.

    Args:
        connection: DuckDB connection that holds the view; its time zone becomes UTC.
        raw: View with rows of raw_data.
        problem: The declaration.
        contract: The contract.

    Raises:
        DataError: If the contract cannot judge the rows at all.
    """
    source = problem.source
    declared = Format() if isinstance(source, SimulatorSource) else source.format
    statement = typed_sql(
        raw,
        time=problem.time,
        partitions=problem.partitions,
        contract=contract.contract,
        format=declared,
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE _typed AS {statement}")
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE _broken AS SELECT _number, _rule AS rule, "
        '_column AS "column", _value AS value FROM _typed WHERE _rule IS NOT NULL'
    )
    try:
        _judge_values(connection, contract)
        _judge_identity(connection, problem)
        return _divided(connection, contract.contract)
    finally:
        connection.execute("DROP TABLE _typed; DROP TABLE _broken")


def validate(
    frame: pd.DataFrame, schema: "pandera.DataFrameSchema"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Judge all rows by a schema at once.

    Args:
        frame: The contract's columns. Missing values stand in nullable dtypes (Int64, boolean).
        schema: The schema of a ``LoadedContract``.

    Returns:
        The valid rows, in the schema's dtypes and with their index; and the failures: ``position``
        in the frame, ``rule``, ``column`` (None for a rule over several columns), ``value``. A row
        fails once, by the first rule that it breaks.

    Raises:
        DataError: If a failure concerns the table and not some of its rows.
    """
    missing = [name for name in schema.columns if name not in frame.columns]
    if missing:
        message = f"The rows lack the columns {missing} of the contract; they have {list(frame)}."
        raise DataError(message)
    numbered = frame.reset_index(drop=True)
    nulls = _missing_values(numbered, schema)
    whole = numbered.drop(index=pd.Index(nulls["position"]))
    types = {name: column.dtype.type for name, column in schema.columns.items()}
    # Texts are texts already, and numpy would write a missing one as the text "None".
    whole = whole.astype({name: one for name, one in types.items() if one != np.dtype(str)})
    failures = pd.concat([nulls, _broken_checks(whole, schema)]) if len(whole) else nulls
    valid = whole.drop(index=pd.Index(failures["position"]), errors="ignore")
    valid.index = frame.index[valid.index]
    return valid, _without_nan(failures.sort_values("position", ignore_index=True))


def _missing_values(frame: pd.DataFrame, schema: "pandera.DataFrameSchema") -> pd.DataFrame:
    required = [name for name, column in schema.columns.items() if not column.nullable]
    nulls = frame[required].isna()
    rows = nulls.any(axis="columns")
    return _failures(
        {
            "position": frame.index[rows],
            "rule": "not_nullable",
            "column": nulls[rows].idxmax(axis="columns") if rows.any() else [],
            "value": None,
        }
    )


def _broken_checks(frame: pd.DataFrame, schema: "pandera.DataFrameSchema") -> pd.DataFrame:
    from pandera.errors import SchemaErrors  # noqa: PLC0415  takes seconds

    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as error:
        return _first_failures(error.failure_cases, schema)
    return _failures({name: [] for name in FAILURES})


def _first_failures(cases: pd.DataFrame, schema: "pandera.DataFrameSchema") -> pd.DataFrame:
    whole_table = cases[cases["index"].isna()]
    if len(whole_table):
        found = sorted(
            {f"{row.column}: {row.check} ({row.failure_case})" for row in whole_table.itertuples()}
        )
        message = (
            f"The contract cannot judge single rows; it failed as a whole: {'; '.join(found)}. "
            "Make such a check return one True or False a row, or correct its code."
        )
        raise DataError(message)
    places = {name: place for place, name in enumerate(schema.columns)}
    over_columns = (cases["schema_context"] == "DataFrameSchema").to_numpy()
    order = cases["column"].map(places).mask(over_columns, len(places)).astype(float)
    number = pd.to_numeric(cases["check_number"]).fillna(-1)
    ranked = cases.assign(order=order, number=number).sort_values(
        ["index", "order", "number"], kind="stable"
    )
    first = ranked.drop_duplicates("index")
    whole_row = (first["schema_context"] == "DataFrameSchema").to_numpy()
    return _failures(
        {
            "position": first["index"].astype("int64"),
            "rule": first["check"].astype(str),
            "column": first["column"].astype(object).mask(whole_row, None),
            "value": first["failure_case"].map(str).astype(object).mask(whole_row, None),
        }
    )


def _failures(columns: dict[str, object]) -> pd.DataFrame:
    frame = pd.DataFrame(columns, columns=list(FAILURES)).reset_index(drop=True)
    return frame.astype({"position": "int64", "rule": object, "column": object, "value": object})


def _without_nan(failures: pd.DataFrame) -> pd.DataFrame:
    known = failures.notna()
    return failures.assign(
        **{name: failures[name].mask(~known[name], None) for name in ("column", "value")}
    )


def _judge_values(connection: duckdb.DuckDBPyConnection, contract: LoadedContract) -> None:
    names = ", ".join(quoted(name) for name in contract.contract.names)
    rows = connection.sql(
        f"SELECT _number, {names} FROM _typed WHERE _rule IS NULL ORDER BY _number"
    ).to_arrow_table()
    frame = rows.to_pandas(types_mapper=NULLABLE.get).set_index("_number")
    _, failures = validate(frame, contract.schema)
    broken = pa.table(
        {
            "_number": pa.array(frame.index[failures["position"]], pa.int64()),
            "rule": pa.array(failures["rule"], pa.string(), from_pandas=True),
            "column": pa.array(failures["column"], pa.string(), from_pandas=True),
        }
    )
    connection.register("_failures", broken)
    # The offending text as the source wrote it, not as pandas would print the value.
    pointer = "'/' || replace(replace(\"column\", '~', '~0'), '/', '~1')"
    connection.execute(
        f'INSERT INTO _broken SELECT _number, rule, "column", '
        f"json_extract_string(to_json(_original), {pointer}) "
        "FROM _failures JOIN _typed USING (_number)"
    )
    connection.unregister("_failures")


def _judge_identity(connection: duckdb.DuckDBPyConnection, problem: Problem) -> None:
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW _whole AS "
        "SELECT * FROM _typed ANTI JOIN _broken USING (_number)"
    )
    surplus = duplicates_sql("_whole", identity=problem.identity, keep=problem.duplicates.keep)
    connection.execute(
        f"INSERT INTO _broken SELECT _number, {literal('duplicate')}, NULL, _value FROM ({surplus})"
    )
    connection.execute("DROP VIEW _whole")


def _divided(connection: duckdb.DuckDBPyConnection, contract: Contract) -> ValidatedRows:
    names = ", ".join(quoted(name) for name in contract.names)
    valid = connection.sql(
        f"SELECT _date, event_time, known_at, _file, _row, {names} FROM _typed "
        "ANTI JOIN _broken USING (_number) ORDER BY event_time, _number"
    ).to_arrow_table()
    rejected = connection.sql(
        'SELECT _date, _time, _file, _row, rule, "column", value, CAST(CASE WHEN _text IS NULL '
        "THEN to_json(_original) ELSE json_object('_text', _text) END AS VARCHAR) AS original "
        "FROM _typed JOIN _broken USING (_number) ORDER BY _time, _number"
    ).to_arrow_table()
    [[rows]] = connection.execute("SELECT count(*) FROM _typed").fetchall()
    if valid.num_rows + rejected.num_rows != rows:
        message = (
            f"{rows} raw rows became {valid.num_rows} valid and {rejected.num_rows} rejected ones; "
            "the sum must be equal. Nothing was kept of them."
        )
        raise DataError(message)
    return ValidatedRows(valid, rejected)
