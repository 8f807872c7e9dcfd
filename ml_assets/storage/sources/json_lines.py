"""JSON lines: one object a line."""

from pathlib import Path

import duckdb
import pyarrow as pa

from ml_assets.core.errors import UnreadableFileError
from ml_assets.core.problem import Format, Renames
from ml_assets.core.reading import literal, quoted, spellings
from ml_assets.storage.sources.delimited import END_OF_FILE, WHITE_SPACE
from ml_assets.storage.sources.header import matched
from ml_assets.storage.sources.text_lines import read_lines
from ml_assets.storage.sources.text_table import numbers

IS_OBJECT = "coalesce(TRY(json_type(line)) = 'OBJECT', false)"


def read_json_lines(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    form: Format,
    *,
    name: str,
    columns: tuple[str, ...],
    renames: tuple[Renames, ...],
) -> None:
    """Create the table ``name`` from a file of JSON lines; see ``read_file.read_file``."""
    connection.execute("CREATE OR REPLACE TEMP TABLE _lines (_row BIGINT, line VARCHAR)")
    try:
        _take_lines(connection, path, form.encoding)
        found = _keys(connection, path)
        names = matched(found, str(path), columns=columns, renames=renames)
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {quoted(name)} AS {_split_sql(found, names, renames)}"
        )
    finally:
        connection.execute("DROP TABLE _lines")


def _take_lines(connection: duckdb.DuckDBPyConnection, path: Path, encoding: str) -> None:
    count = 0
    for lines in read_lines(path, encoding=encoding):
        block = pa.table(
            [numbers(count, len(lines)), pa.array(lines, pa.string())], ["_row", "line"]
        )
        connection.register("_block", block)
        connection.execute("INSERT INTO _lines SELECT _row, line FROM _block")
        connection.unregister("_block")
        count += len(lines)


def _keys(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    rows = connection.execute(
        f"SELECT DISTINCT unnest(json_keys(line)) AS key FROM _lines WHERE {IS_OBJECT} ORDER BY key"
    ).fetchall()
    if not rows:
        message = f"{path} holds no JSON object. Write one object a line, or declare format.kind."
        raise UnreadableFileError(message)
    return [key for (key,) in rows]


def _split_sql(found: list[str], names: dict[str, str], renames: tuple[Renames, ...]) -> str:
    # Lines of several versions may stand in one file: each line is read by the names it uses.
    values = [
        f"coalesce({', '.join(_member(key) for key in spellings(name, renames) if key in found)})"
        for name in names
    ]
    texts = "".join(
        f", CASE WHEN {IS_OBJECT} THEN {value} END AS {quoted(name)}"
        for name, value in zip(names, values, strict=True)
    )
    return f"""
SELECT _row,
    CASE
        WHEN {IS_OBJECT} THEN NULL
        WHEN trim(line, {literal(WHITE_SPACE)}) = '' THEN 'blank line'
        WHEN trim(line, {literal(WHITE_SPACE + END_OF_FILE)}) = '' THEN 'end-of-file mark'
        ELSE 'not a JSON object'
    END AS _fault,
    CASE WHEN NOT {IS_OBJECT} THEN line END AS _text{texts}
FROM _lines
"""


def _member(key: str) -> str:
    pointer = "/" + key.replace("~", "~0").replace("/", "~1")
    return f"json_extract_string(line, {literal(pointer)})"
