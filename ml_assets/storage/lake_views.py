"""Views of DuckDB over the files of a table, at one of its versions."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from ml_assets.core.errors import LakeError
from ml_assets.storage.lake_rows import PARTITION


def show_nothing(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, str]
) -> None:
    """Create the view ``name`` with these columns and no row."""
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS {_no_rows(columns)}")


def show_files(
    connection: duckdb.DuckDBPyConnection, name: str, table: DeltaTable, folder: Path
) -> None:
    """Create the view ``name`` over the local files of ``table``.

    The empty SELECT in front gives every column its type and place, also those that no file has.

    Raises:
        LakeError: If a file of this version is gone.
    """
    columns = duckdb_types(connection, pa.schema(table.schema()))
    paths = [
        folder / unquote(path) for path in pa.table(table.get_add_actions())["path"].to_pylist()
    ]
    gone = [path for path in paths if not path.is_file()]
    if gone:
        message = (
            f"Version {table.version()} of the table in {folder} misses {len(gone)} of its "
            f"{len(paths)} files, such as {gone[0].name}. It was vacuumed: use a kept version."
        )
        raise LakeError(message)
    query = _no_rows(columns)
    if paths:
        files = ", ".join(_text(str(path)) for path in paths)
        hive = (
            ", hive_partitioning=true, hive_types={'_date': DATE}" if PARTITION in columns else ""
        )
        query += (
            f" UNION ALL BY NAME SELECT * FROM read_parquet([{files}], union_by_name=true{hive})"
        )
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS {query}")


def show_object_store(connection: duckdb.DuckDBPyConnection, name: str, table: DeltaTable) -> None:
    """Offer ``table`` as the view ``name``, read by delta-rs: DuckDB may lack httpfs.

    Columns and filters are pushed down to the files.
    """
    connection.register(name, table.to_pyarrow_dataset())


def duckdb_types(connection: duckdb.DuckDBPyConnection, schema: pa.Schema) -> dict[str, str]:
    """Return the SQL type of each column."""
    relation = connection.from_arrow(schema.empty_table())
    return {name: str(kind) for name, kind in zip(relation.columns, relation.types, strict=True)}


def quoted(name: str) -> str:
    """Return ``name`` as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _no_rows(columns: Mapping[str, str]) -> str:
    values = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in columns.items())
    return f"SELECT {values} WHERE false"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
