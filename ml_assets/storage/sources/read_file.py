"""One file of any kind, as a table of texts."""

from pathlib import Path
from typing import Literal

import duckdb

from ml_assets.core.errors import UnreadableFileError
from ml_assets.core.problem import Format, Renames
from ml_assets.core.reading import quoted
from ml_assets.storage.sources.delimited import read_delimited
from ml_assets.storage.sources.found import FoundFile
from ml_assets.storage.sources.json_lines import read_json_lines
from ml_assets.storage.sources.parquet import read_parquet

Kind = Literal["csv", "tsv", "jsonl", "parquet"]
ENDINGS: dict[str, Kind] = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


def read_file(
    connection: duckdb.DuckDBPyConnection,
    found: FoundFile,
    form: Format,
    *,
    name: str,
    columns: tuple[str, ...] = (),
    renames: tuple[Renames, ...] = (),
) -> None:
    """Create the temporary table ``name`` from a file.

    The table has one row for each row of the file: ``_row`` (from 1), ``_fault`` (why the row
    could not be split into columns, else NULL), ``_text`` (such a row as it stands in the file),
    and the columns as text, under the contract's names.

    Args:
        connection: Where the table is made.
        found: The file.
        form: How it is to be read.
        name: The table.
        columns: Columns the file must hold; all that have a name if empty.
        renames: Other names that columns had.

    Raises:
        UnreadableFileError: If the file as a whole is not a table with these columns.
    """
    kind = form.kind or _kind_by_ending(found.path)
    declared = form.model_copy(update={"kind": kind})
    how = {"name": name, "columns": columns, "renames": renames}
    try:
        match kind:
            case "csv" | "tsv":
                read_delimited(connection, found.path, declared, **how)
            case "jsonl":
                read_json_lines(connection, found.path, declared, **how)
            case "parquet":
                read_parquet(connection, found.path, **how)
    except UnreadableFileError:
        connection.execute(f"DROP TABLE IF EXISTS {quoted(name)}")  # half a file is no file
        raise


def _kind_by_ending(path: Path) -> Kind:
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    if ending not in ENDINGS:
        message = (
            f"{path} has the ending {ending!r}, which names no kind of file. Declare format.kind "
            f"(csv, tsv, jsonl or parquet), or use one of {list(ENDINGS)}."
        )
        raise UnreadableFileError(message)
    return ENDINGS[ending]
