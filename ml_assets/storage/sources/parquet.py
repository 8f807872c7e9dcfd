"""Parquet: typed values become text without loss, so that all files take one way."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ml_assets.core.errors import UnreadableFileError
from ml_assets.core.problem import Renames
from ml_assets.storage.sources.header import matched
from ml_assets.storage.sources.text_table import append_values, create_text_table

BATCH_ROWS = 200_000


def read_parquet(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    *,
    name: str,
    columns: tuple[str, ...],
    renames: tuple[Renames, ...],
) -> None:
    """Create the table ``name`` from a Parquet file; see ``read_file.read_file``."""
    try:
        with pq.ParquetFile(path) as file:
            names = matched(file.schema_arrow.names, str(path), columns=columns, renames=renames)
            create_text_table(connection, name, names)
            count = 0
            for batch in file.iter_batches(BATCH_ROWS, columns=list(dict.fromkeys(names.values()))):
                append_values(connection, name, names, batch, after=count)
                count += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        message = f"{path} is not a whole Parquet file ({error}). Deliver it again."
        raise UnreadableFileError(message) from error
