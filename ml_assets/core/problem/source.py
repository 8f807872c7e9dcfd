"""Where rows come from and how their text is to be read."""

import codecs
from difflib import get_close_matches
from encodings.aliases import aliases
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from ml_assets.core.problem.base import Declaration, PositiveDuration

DEFAULT_NULL_WORDS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")


class Format(Declaration):
    """How the text of a file is to be read. Nothing is guessed row by row."""

    kind: Literal["csv", "tsv", "jsonl", "parquet"] | None = Field(
        default=None,
        description="Kind of file; by default its ending says it (.gz is looked through).",
    )
    delimiter: str = Field(default=",", description="What separates the columns of a CSV.")
    quote: str = Field(default='"', description="What encloses a field that holds the delimiter.")
    decimal: Literal[".", ","] = Field(default=".", description="Decimal mark of numbers.")
    thousands: Literal[".", ",", " ", "'"] | None = Field(
        default=None,
        description="What groups the digits of numbers by three; none by default.",
        examples=["."],
    )
    percent: tuple[str, ...] = Field(
        default=(),
        description="Columns of numbers that end in '%': the sign is dropped, 44.4 % is 44.4.",
    )
    encoding: str = Field(default="utf-8", description="Text encoding, as Python names it.")
    null_words: tuple[str, ...] = Field(
        default=DEFAULT_NULL_WORDS, description="Texts that mean a missing value, in any column."
    )
    sentinels: dict[str, tuple[float, ...]] = Field(
        default={},
        description="Numbers that mean a missing value, by column; '*' stands for every number.",
    )
    dates: dict[str, str] = Field(
        default={},
        description="strptime format by column, for date columns other than the event time.",
    )

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str) -> str:
        try:
            codecs.lookup(encoding)
        except LookupError as error:
            known = {name.replace("_", "-") for name in aliases.values()}
            close = get_close_matches(encoding, sorted(known), n=1)
            advice = f"Did you mean {close[0]!r}?" if close else "Use one such as utf-8 or cp1252."
            message = f"Unknown encoding {encoding!r}. {advice}"
            raise ValueError(message) from error
        return encoding

    @model_validator(mode="after")
    def _marks_are_told_apart(self) -> Self:
        delimiter, quote = self.delimiter, self.quote
        if len(delimiter) != 1 or len(quote) > 1 or delimiter == quote:
            message = (
                f"The delimiter {delimiter!r} must be one character, and the quote {quote!r} "
                "another one (or '' for none)."
            )
            raise ValueError(message)
        if self.decimal == self.thousands:
            message = (
                f"{self.decimal!r} cannot be the decimal mark and group thousands as well. Declare "
                "decimal: ',' for 1.017,13 and decimal: '.' for 1,017.13."
            )
            raise ValueError(message)
        return self


class Renames(Declaration):
    """Columns that carried another name under an earlier or later version of the contract."""

    version: int = Field(description="Version of the contract that used these names.")
    columns: dict[str, str] = Field(description="Name in the file -> name in the contract.")


class _Tabular(Declaration):
    """What all sources of text rows share."""

    format: Format = Format()
    renames: tuple[Renames, ...] = ()


class FilesSource(_Tabular):
    """Rows that land as files in a folder."""

    kind: Literal["files"]
    path: str = Field(
        description="A file or a glob; relative paths start at the project's root.",
        examples=["data/orders/*.csv.gz"],
    )


class AddressSource(_Tabular):
    """One file at an http(s) or object-store address."""

    kind: Literal["address"]
    url: str = Field(
        pattern=r"^(https?|s3|gs|gcs|abfss?|file)://", examples=["https://example.org/data.csv"]
    )
    sha256: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{64}$", description="Refuse the file if it differs."
    )


class SqlSource(Declaration):
    """Rows of a query, asked again for every partition that is materialised."""

    kind: Literal["sql"]
    connection: str = Field(
        description="A SQLAlchemy URL, or duckdb:///path for a DuckDB file (opened read-only).",
        examples=["postgresql+psycopg://reader@db/shop", "duckdb:///warehouse.duckdb"],
    )
    query: str = Field(
        description="One SELECT; ':start' and ':end' stand for the asked window's bounds (UTC).",
    )
    renames: tuple[Renames, ...] = ()
    format: Format = Format()


class SimulatorSource(Declaration):
    """Rows of the simulated plant that is embedded in the project."""

    kind: Literal["simulator"]
    table: Literal["readings", "labels", "rigs"] = Field(
        default="readings", description="Which of the plant's tables to read."
    )
    scenario: str = Field(default="quiet", description="What goes wrong, and when.")
    rigs: PositiveInt = 10
    reading_every: PositiveDuration = Field(default="PT10M", validate_default=True)
    seed: int = 0


Source = Annotated[
    FilesSource | AddressSource | SqlSource | SimulatorSource, Field(discriminator="kind")
]


class Reference(Declaration):
    """A small table joined by key: every column known at all times."""

    source: Source
    keys: tuple[str, ...] = Field(min_length=1, description="Columns that name one row.")
