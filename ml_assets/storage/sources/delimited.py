"""CSV and TSV: every line becomes a row, split into columns or with the reason why it was not.

Lines are taken apart here and not by DuckDB's ``read_csv``, which passes over blank lines and,
after a quote that is never closed, over all that follows. DuckDB splits the lines without quotes,
Python's csv module the others, one by one, so that a broken line takes no other along.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa

from ml_assets.core.problem import Format, Renames
from ml_assets.core.reading import literal, quoted
from ml_assets.storage.sources.header import check_header, matched
from ml_assets.storage.sources.text_lines import read_lines
from ml_assets.storage.sources.text_table import create_text_table, numbers

MOST_LINES_IN_A_FIELD = 500
ROWS_LOOKED_AT = 20
UNCLOSED = "a quote that is not closed"
WHITE_SPACE = " \t\r\v\f"
END_OF_FILE = "\x1a"  # Ctrl-Z, which DOS wrote behind the last line
SPLIT = (pa.string(), pa.list_(pa.string()), pa.string())  # a batch's columns in Arrow


class Batch(NamedTuple):
    """Records, the fields that Python has split, and why a record is no row."""

    texts: list[str]
    fields: list[list[str] | None]
    faults: list[str | None]


@dataclass(frozen=True)
class Dialect:
    """What separates and encloses fields."""

    delimiter: str
    quote: str

    @classmethod
    def declared(cls, form: Format) -> "Dialect":
        """Return the dialect of a format."""
        delimiter = "\t" if form.kind == "tsv" else form.delimiter
        return cls(delimiter, form.quote)

    def split(self, text: str) -> list[str] | None:
        """Return the fields of one record, or None if its quotes do not fit together."""
        if not self.quote:
            return text.split(self.delimiter)
        records = self.split_all([text])
        return None if records is None else records[0]

    def split_all(self, texts: list[str]) -> list[list[str]] | None:
        """Return the fields of many records, or None if the quotes of any do not fit together."""
        reader = csv.reader(
            texts,
            delimiter=self.delimiter,
            quotechar=self.quote,
            skipinitialspace=self.delimiter != " ",
            strict=True,
        )
        try:
            records = list(reader)
        except csv.Error:
            return None
        return records if len(records) == len(texts) else None  # fewer: a quote ran on


def read_delimited(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    form: Format,
    *,
    name: str,
    columns: tuple[str, ...],
    renames: tuple[Renames, ...],
) -> None:
    """Create the table ``name`` from a CSV or TSV file; see ``read_file.read_file``."""
    dialect = Dialect.declared(form)
    blocks = read_lines(path, encoding=form.encoding)
    first = next((block for block in blocks if block), [""])
    header = [field.strip() for field in dialect.split(first[0]) or []]
    if _has_row_names(header, first[1:], dialect):
        header = ["", *header]
    check_header(header, path, columns=columns, renames=renames)
    names = matched(header, str(path), columns=columns, renames=renames)
    # Trailing delimiters make columns without a name and without a value: they do not count.
    least = max(place for place, column in enumerate(header, 1) if column)
    width = range(least, len(header) + 1)
    statement = _split_sql(header, names, dialect, least)
    create_text_table(connection, name, names)
    count = 0
    for batch in _batches(first[1:], blocks, dialect, width):
        texts = [pa.array(values, kind) for values, kind in zip(batch, SPLIT, strict=True)]
        rows = pa.table(
            [numbers(count, len(batch.texts)), *texts], ["_row", "line", "fields", "fault"]
        )
        connection.register("_split", rows)
        connection.execute(f"INSERT INTO {quoted(name)} {statement}")
        connection.unregister("_split")
        count += rows.num_rows


def _has_row_names(header: list[str], lines: list[str], dialect: Dialect) -> bool:
    """Say whether the rows start with a name of their own that the header leaves out, as R does."""
    looked_at = [dialect.split(line) for line in lines[:ROWS_LOOKED_AT] if line.strip()]
    widths = {len(fields) for fields in looked_at if fields is not None}
    return widths == {len(header) + 1} and all(header)


def _batches(
    lines: list[str], blocks: Iterator[list[str]], dialect: Dialect, width: range
) -> Iterator[Batch]:
    """Yield the records block by block; a record that a block cuts off waits for the next."""
    open_lines = lines
    for block in blocks:
        batch, open_lines = _records([*open_lines, *block], dialect, width, final=False)
        yield batch
    yield _records(open_lines, dialect, width, final=True)[0]


def _records(
    lines: list[str], dialect: Dialect, width: range, *, final: bool
) -> tuple[Batch, list[str]]:
    """Return the records of some lines, and the lines of a last one that may not be whole."""
    quote = dialect.quote
    if not quote or not any(quote in line for line in lines):
        return Batch(lines, [None] * len(lines), [None] * len(lines)), []
    whole = dialect.split_all(lines)
    if whole is not None:
        return Batch(lines, [*whole], [None] * len(lines)), []
    texts, split, faults = batch = Batch([], [], [])
    place = 0
    while place < len(lines):
        end, fields = _record(lines, place, dialect, width)
        few = len(lines) - place < MOST_LINES_IN_A_FIELD
        if fields is None and few and not final and _closing(lines, place, quote) is None:
            return batch, lines[place:]
        texts.append("\n".join(lines[place:end]))
        split.append(fields)
        faults.append(UNCLOSED if fields is None else None)
        place = end
    return batch, []


def _record(
    lines: list[str], place: int, dialect: Dialect, width: range
) -> tuple[int, list[str] | None]:
    """Return where the record that starts at ``place`` ends, and its fields.

    Lines belong together only if they make one record of the right width. Else the first stands
    alone, without fields: a stray quote must not swallow the rows below it.
    """
    fields = dialect.split(lines[place])
    if fields is not None:
        return place + 1, fields
    end = _closing(lines, place, dialect.quote)
    if end is not None:
        fields = dialect.split("\n".join(lines[place:end]))
        if fields is not None and len(fields) in width:
            return end, fields
    return place + 1, None


def _closing(lines: list[str], place: int, quote: str) -> int | None:
    """Return the place after the line on which an open quote is closed."""
    marks = 0
    for end in range(place, min(len(lines), place + MOST_LINES_IN_A_FIELD)):
        marks += lines[end].count(quote)
        if marks % 2 == 0:
            return end + 1
    return None


def _split_sql(header: list[str], names: dict[str, str], dialect: Dialect, least: int) -> str:
    values = "".join(
        f", CASE WHEN fault IS NULL THEN fields[{header.index(found) + 1}] END"
        for found in names.values()
    )
    space = literal(WHITE_SPACE)
    return f"""
SELECT _row, fault, CASE WHEN fault IS NOT NULL THEN line END{values}
FROM (
    SELECT _row, line, fields, CASE
        WHEN fault IS NOT NULL THEN fault
        WHEN trim(line, {space}) = '' THEN 'blank line'
        WHEN trim(line, {literal(WHITE_SPACE + END_OF_FILE)}) = '' THEN 'end-of-file mark'
        WHEN len(fields) < {least}
            OR trim(array_to_string(fields[{len(header) + 1}:], ''), {space}) <> ''
            THEN len(fields) || ' fields, the header has {len(header)}'
    END AS fault
    FROM (
        SELECT _row, line, fault,
            coalesce(fields, string_split(line, {literal(dialect.delimiter)})) AS fields
        FROM _split
    )
)
"""
