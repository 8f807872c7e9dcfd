"""Names for the columns of a file that differ by more than case, as DuckDB wants them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TableNames:
    """The names of a file's columns in a table.

    Attributes:
        names: One a column, all different.
        unnamed: Those of columns that a declaration cannot name: they have no name in the file, or
            share it with another.
        spelled: Name in the file by name in the table, for columns whose name another one has in
            other letters: order and Order.
    """

    names: tuple[str, ...]
    unnamed: tuple[str, ...]
    spelled: Mapping[str, str]


def table_names(header: Sequence[str]) -> TableNames:
    """Return names for the columns of a header.

    Example:
        >>> found = table_names(["order", "x", "", "Order", "x"])
        >>> found.names
        ('order', 'x [2]', 'column [3]', 'Order [4]', 'x [5]')
        >>> found.unnamed, found.spelled
        (('x [2]', 'column [3]', 'x [5]'), {'Order [4]': 'Order'})
    """
    counts = Counter(header)
    names, unnamed = list[str](), list[str]()
    spelled, taken = dict[str, str](), set[str]()
    for position, given in enumerate(header, 1):
        placed = f"{given or 'column'} [{position}]"
        if not given or counts[given] > 1:
            unnamed.append(placed)
        elif given.lower() in taken:
            spelled[placed] = given
        else:
            taken.add(given.lower())
            placed = given
        names.append(placed)
    return TableNames(tuple(names), tuple(unnamed), spelled)
