"""How the numbers of a file are written, and the SQL that reads them so."""

from dataclasses import dataclass

from ml_assets.core.feature_query import quoted
from ml_assets.core.reading.numbers import plain_sql

NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"


@dataclass(frozen=True)
class Marks:
    """The marks of a file's numbers.

    Attributes:
        decimal: Decimal mark, a point or a comma.
        thousands: What groups digits by three; None if nothing does.
        percent: Columns, by their names in the file, whose numbers end in '%'.
    """

    decimal: str = "."
    thousands: str | None = None
    percent: tuple[str, ...] = ()

    def plain_sql(self, column: str) -> str:
        """Return SQL for a cell with a decimal point and without groups, as reading has it."""
        percent = column in self.percent
        return plain_sql(
            quoted(column), decimal=self.decimal, thousands=self.thousands, percent=percent
        )

    def number_sql(self, column: str) -> str:
        """Return SQL for the number a cell holds, or NULL."""
        plain = self.plain_sql(column)
        return (
            f"CASE WHEN regexp_full_match({plain}, '{NUMBER}') THEN try_cast({plain} AS DOUBLE) END"
        )
