"""The data contract as plain values: what validation, SQL and the request schema share.

The contract is written as a pandera model; this is its shadow that needs no pandera, so that the
serving process can hold it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from ml_assets.core.errors import ContractError, nearest

Kind = Literal["float", "integer", "string", "boolean", "datetime"]

SQL_TYPES: Mapping[Kind, str] = {
    "float": "DOUBLE",
    "integer": "BIGINT",
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "datetime": "TIMESTAMPTZ",
}


@dataclass(frozen=True)
class Column:
    """One column of the contract.

    Attributes:
        name: Name in every table after ingestion.
        kind: What its values are.
        nullable: Whether a value may be missing.
        at_least: Smallest allowed value, for numbers.
        at_most: Largest allowed value, for numbers.
        allowed: The only allowed values, where the contract lists them.
        description: What the column means, with its unit.
    """

    name: str
    kind: Kind
    nullable: bool = False
    at_least: float | None = None
    at_most: float | None = None
    allowed: tuple[str | int | float | bool, ...] | None = None
    description: str = ""

    @property
    def sql_type(self) -> str:
        """DuckDB type of the column."""
        return SQL_TYPES[self.kind]


@dataclass(frozen=True)
class Contract:
    """All columns of the validated rows, in order."""

    columns: tuple[Column, ...]
    by_name: Mapping[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {column.name: column for column in self.columns})

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns."""
        return tuple(self.by_name)

    def column(self, name: str) -> Column:
        """Return the column called ``name``.

        Raises:
            ContractError: If there is none.
        """
        if name not in self.by_name:
            message = f"The contract has no column {name!r}. {nearest(name, self.names)}"
            raise ContractError(message)
        return self.by_name[name]

    def without(self, *names: str) -> Self:
        """Return the contract without some columns."""
        return type(self)(tuple(column for column in self.columns if column.name not in names))

    def to_json(self) -> list[dict[str, Any]]:
        """Return plain values for a JSON file."""
        return [asdict(column) for column in self.columns]

    @classmethod
    def from_json(cls, columns: list[dict[str, Any]]) -> Self:
        """Build the contract that ``to_json`` described."""
        return cls(tuple(_column(values) for values in columns))


def _column(values: dict[str, Any]) -> Column:
    allowed = values["allowed"]
    plain: dict[str, Any] = {**values, "allowed": None if allowed is None else tuple(allowed)}
    return Column(**plain)
