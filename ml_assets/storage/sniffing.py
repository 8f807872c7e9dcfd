"""Reads a file nobody has described yet, as columns of text."""

import codecs
import csv
import gzip
import io
import re
import tempfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ml_assets.core.errors import SourceError
from ml_assets.core.problem import Format
from ml_assets.storage.sources.parquet import BATCH_ROWS
from ml_assets.storage.sources.text_table import append_values, create_text_table
from ml_assets.storage.table_names import TableNames, table_names

# Beyond this the head of the file stands for all of it, and no range is frozen from it.
MAX_ROWS = 3_000_000
HEAD_LINES = 1000
DELIMITERS = (",", ";", "\t", "|", " ")
LOOKS_LIKE_DATA = re.compile(r"[+-]?[\d.,]*\d([eE][+-]?\d+)?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*")
ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".data": "csv",
    ".dat": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
# What a file of each kind starts with: formats that hold a table but are not read here.
PACKED = {b"PK\x03\x04": "a zip archive or workbook", b"\xfd7zXZ": "xz", b"BZh": "bzip2"}

Kind = Literal["csv", "jsonl", "parquet"]


@dataclass(frozen=True)
class Sniffed:
    """A file as it lies there, and the options that read it.

    Attributes:
        path: The file.
        table: All cells as text; NULL where empty.
        names: Its columns, under the file's own names where a table can bear them.
        format: How it was read: kind, delimiter, quote, encoding.
        complete: Whether ``table`` holds all rows.
    """

    path: Path
    table: pa.Table
    names: TableNames
    format: Format
    complete: bool


def sniff(path: Path, *, max_rows: int = MAX_ROWS) -> Sniffed:
    """Read a CSV, TSV, JSON-lines or Parquet file (the first three also gzipped) as text.

    Args:
        path: The file.
        max_rows: Rows to read, from the head.

    Raises:
        SourceError: If it is missing, empty, packed otherwise, or is no table.
    """
    if not path.is_file():
        message = f"There is no file {path}. Give the path of a CSV, TSV, JSONL or Parquet file."
        raise SourceError(message)
    match _kind(path):
        case "parquet":
            table, names = _parquet_as_text(path, max_rows + 1)
            return _sniffed(path, table, names, Format(kind="parquet"), max_rows=max_rows)
        case "jsonl":
            table = _json_lines(path, max_rows + 1)
            names = table_names(table.column_names)
            return _sniffed(path, table, names, Format(kind="jsonl"), max_rows=max_rows)
        case "csv":
            return _delimited(path, max_rows)


def _sniffed(
    path: Path, table: pa.Table, names: TableNames, layout: Format, *, max_rows: int
) -> Sniffed:
    if table.num_rows == 0:
        message = f"{path} has no rows. One row an observation is needed, below the names."
        raise SourceError(message)
    complete = table.num_rows <= max_rows
    return Sniffed(path, table.slice(0, max_rows), names, layout, complete)


def _kind(path: Path) -> Kind:
    endings = [ending.lower() for ending in path.suffixes]
    with path.open("rb") as file:
        head = file.read(8)
    if not head:
        message = f"{path} is empty."
        raise SourceError(message)
    for mark, what in PACKED.items():
        if head.startswith(mark):
            message = f"{path} is packed ({what}). Unpack it, or export the table as CSV."
            raise SourceError(message)
    zipped = head.startswith(b"\x1f\x8b")
    if zipped != (endings[-1:] == [".gz"]):
        right = "ends in .gz but is not gzipped" if not zipped else "is gzipped: let it end in .gz"
        message = f"{path} {right}. Rename the file so that its name says what it is."
        raise SourceError(message)
    if head.startswith(b"PAR1"):
        return "parquet"
    ending = (endings[-2:-1] if zipped else endings[-1:]) or [""]
    return ENDINGS.get(ending[0], "csv")  # type: ignore[return-value]


def _literal(path: Path | str) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _ask(sql: str, path: Path) -> pa.Table:
    try:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.sql(sql).to_arrow_table()
    except duckdb.Error as error:
        message = f"{path} cannot be read: {error}"
        raise SourceError(message) from error


def _parquet_as_text(path: Path, rows: int) -> tuple[pa.Table, TableNames]:
    """Return the texts that reading makes of the typed values."""
    try:
        with pq.ParquetFile(path) as file, duckdb.connect() as connection:
            names = table_names(file.schema_arrow.names)
            columns = {name: name for name in names.names}
            create_text_table(connection, "rows", columns)
            count = 0
            batches = file.iter_batches(BATCH_ROWS)
            while count < rows and (batch := next(batches, None)) is not None:
                part = batch.slice(0, rows - count).rename_columns(names.names)
                append_values(connection, "rows", columns, part, after=count)
                count += part.num_rows
            texts = connection.sql("SELECT * FROM rows ORDER BY _row").to_arrow_table()
    except (pa.ArrowException, duckdb.Error, OSError) as error:
        message = f"{path} cannot be read: {error}"
        raise SourceError(message) from error
    return texts.select(list(names.names)), names


def _json_lines(path: Path, rows: int) -> pa.Table:
    form = "format = 'newline_delimited'"
    names = _ask(f"SELECT * FROM read_json({_literal(path)}, {form}) LIMIT 0", path).column_names
    # Asked for as VARCHAR, a JSON string keeps its text: no date is parsed and written anew.
    types = ", ".join(f"{_literal(name)}: 'VARCHAR'" for name in names)
    relation = f"read_json({_literal(path)}, {form}, columns = {{{types}}})"
    return _ask(f"SELECT * FROM {relation} LIMIT {rows}", path)


def _delimited(path: Path, max_rows: int) -> Sniffed:
    content = path.read_bytes()
    if path.suffix.lower() == ".gz":
        content = _unzipped(content, path)
    encoding = _encoding(content, path)
    text = content.decode(encoding).replace("\x00", "")
    lines = [line for line in islice(io.StringIO(text, newline=None), HEAD_LINES) if line.strip()]
    if not lines:
        message = f"{path} holds blank lines only."
        raise SourceError(message)
    quote = _quote(lines)
    delimiter = _delimiter(lines, quote)
    header, *rows = csv.reader(lines, delimiter=delimiter, quotechar=quote)
    width = Counter(len(row) for row in rows).most_common(1)[0][0] if rows else len(header)
    _refuse_a_missing_header(header, rows, path)
    if len(header) == width - 1:
        header = ["", *header]  # written by R: the row names' column has no name
    given = [name.strip() for name in (*header, *[""] * (width - len(header)))]
    names = table_names(given)
    table = _csv_as_text(
        text, path, names=names.names, delimiter=delimiter, quote=quote, rows=max_rows
    )
    layout = Format(kind="csv", delimiter=delimiter, quote=quote, encoding=encoding)
    return _sniffed(path, table, names, layout, max_rows=max_rows)


def _unzipped(content: bytes, path: Path) -> bytes:
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        message = f"{path} is not a whole gzip file ({error}). Fetch it again."
        raise SourceError(message) from error


def _encoding(content: bytes, path: Path) -> str:
    """Return the encoding's Python name: by its mark, else UTF-8, else the Western ones."""
    if content.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for encoding in ("utf-8", "cp1252"):
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    if content.count(b"\x00") > len(content) // 100:
        message = f"{path} is not text. A CSV, TSV, JSONL or Parquet file is needed."
        raise SourceError(message)
    return "latin-1"


def _quote(lines: Sequence[str]) -> str:
    double = sum(line.count('"') for line in lines)
    single = sum(len(re.findall(r"(?:^|[,;\t|])'[^']*'(?=[,;\t|\r\n]|$)", line)) for line in lines)
    return "'" if single >= len(lines) and double == 0 else '"'


def _delimiter(lines: Sequence[str], quote: str) -> str:
    """Return what splits most lines into the same number of fields, and of these the most."""
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter, quotechar=quote)]
        width, times = Counter(counts).most_common(1)[0]
        if width < 2 or counts[0] not in (width, width - 1):
            continue
        share = round(times / len(counts), 1)
        # A space separates words as well: it is taken only if nothing else splits the lines.
        score = (share, width) if delimiter != " " else (share / 2, width)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _refuse_a_missing_header(header: list[str], rows: list[list[str]], path: Path) -> None:
    numeric = [
        position
        for position, name in enumerate(header)
        if name.strip()
        and (cells := [row[position] for row in rows[:50] if len(row) > position and row[position]])
        and all(LOOKS_LIKE_DATA.fullmatch(cell.strip()) for cell in cells)
    ]
    if numeric and all(LOOKS_LIKE_DATA.fullmatch(header[at].strip()) for at in numeric):
        message = (
            f"The first line of {path} looks like data ({', '.join(header[:4])} …): the names of "
            "the columns are missing. Put them there as the first line."
        )
        raise SourceError(message)


def _csv_as_text(
    text: str, path: Path, *, names: Sequence[str], delimiter: str, quote: str, rows: int
) -> pa.Table:
    types = ", ".join(f"{_literal(name)}: 'VARCHAR'" for name in names)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "table.csv"
        copy.write_text(text, "utf-8")
        return _ask(
            f"SELECT * FROM read_csv({_literal(copy)}, auto_detect = false, header = true, "
            f"columns = {{{types}}}, delim = {_literal(delimiter)}, quote = {_literal(quote)}, "
            f"escape = {_literal(quote)}, null_padding = true, ignore_errors = true, "
            f"strict_mode = false, max_line_size = 10000000, parallel = false) LIMIT {rows + 1}",
            path,
        )
