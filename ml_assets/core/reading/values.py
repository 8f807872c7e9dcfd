"""From text to values: SQL that yields a column's kind, or NULL where the text is not of it."""

from ml_assets.core.contract import Column
from ml_assets.core.problem import Format
from ml_assets.core.problem.time import ISO
from ml_assets.core.reading.names import literal
from ml_assets.core.reading.numbers import plain_sql
from ml_assets.core.reading.times import moment_sql

TRUE_WORDS = ("true", "t", "yes", "y", "1")
FALSE_WORDS = ("false", "f", "no", "n", "0")
NUMBERS = ("float", "integer")


def text_sql(column: Column, format: Format, *, text: str) -> str:  # noqa: A002
    """Return a column's text, and NULL where it means a missing value.

    Args:
        column: The column.
        format: How its text is to be read.
        text: Expression of its text, trimmed.
    """
    missing = []
    if format.null_words:
        missing.append(f"{text} IN ({', '.join(map(literal, format.null_words))})")
    sentinels = (*format.sentinels.get(column.name, ()), *format.sentinels.get("*", ()))
    if sentinels and column.kind in NUMBERS:
        numbers = ", ".join(f"{number!r}::DOUBLE" for number in sentinels)
        missing.append(f"coalesce({_number(column, format, text)} IN ({numbers}), false)")
    return f"CASE WHEN {' OR '.join(missing)} THEN NULL ELSE {text} END" if missing else text


def value_sql(column: Column, format: Format, *, text: str, timezone: str = "UTC") -> str:  # noqa: A002
    """Return the value of the column's kind that a text stands for.

    Args:
        column: The column.
        format: How its text is to be read.
        text: Expression of the text, as ``text_sql`` yields it.
        timezone: Zone of datetimes that carry none.

    Returns:
        An expression; NULL where the text is NULL, and where it is not of the column's kind.
    """
    match column.kind:
        case "float":
            number = _number(column, format, text)
            return f"CASE WHEN isfinite({number}) THEN {number} END"
        case "integer":
            number = _number(column, format, text)
            plain = _plain(column, format, text)
            return f"CASE WHEN {number} = trunc({number}) THEN TRY_CAST({plain} AS BIGINT) END"
        case "boolean":
            word = f"lower({text})"
            true, false = (", ".join(map(literal, words)) for words in (TRUE_WORDS, FALSE_WORDS))
            return f"CASE WHEN {word} IN ({true}) THEN true WHEN {word} IN ({false}) THEN false END"
        case "datetime":
            declared = format.dates.get(column.name, ISO)
            return moment_sql(text, format=declared, timezone=timezone)
        case "string":
            return text


def _plain(column: Column, format: Format, text: str) -> str:  # noqa: A002
    percent = column.name in format.percent
    return plain_sql(text, decimal=format.decimal, thousands=format.thousands, percent=percent)


def _number(column: Column, format: Format, text: str) -> str:  # noqa: A002
    # DuckDB reads 1_000 as a number.
    plain = _plain(column, format, text)
    return f"CASE WHEN NOT contains({text}, '_') THEN TRY_CAST({plain} AS DOUBLE) END"
