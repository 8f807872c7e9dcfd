"""Which marks the numbers of a file are written with, settled for the file as a whole.

Cells are looked at by their shape: 1.017,13 and -2.340,50 are 9.999,99 and -9.999,99, and a zero
that leads is a z. A file has few shapes, however many rows it has.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ml_assets.core.feature_query import quoted
from ml_assets.core.inference.cells import IN_NUMBERS, MOSTLY_NUMBERS, USUAL
from ml_assets.core.inference.kinds import NUMERIC
from ml_assets.core.inference.marks import Marks
from ml_assets.core.inference.texts import CELLS, Texts, text_literal
from ml_assets.core.inference.values import Doubt
from ml_assets.core.reading.numbers import GROUPING, SPACES


@dataclass(frozen=True)
class _Shape:
    """Cells of a column that look alike.

    Attributes:
        text: The shape, without a sign of percent; empty for what is no number at all.
        percent: Whether the cells end in '%'.
        count: Number of cells.
        example: One of them.
    """

    text: str
    percent: bool
    count: int
    example: str


Shapes = Mapping[str, Sequence[_Shape]]


def number_marks(texts: Texts) -> tuple[Marks, list[Doubt]]:
    """Return the marks of the file's numbers, and what is doubtful about them.

    Example:
        >>> import pyarrow as pa
        >>> number_marks(Texts(pa.table({"a": ["2,6", "2"], "b": ["1360", "11,95"]})))
        (Marks(decimal=',', thousands=None, percent=()), [])
        >>> table = pa.table({"a": ["1.401", "999"], "b": ["1.017,13", "-0,5"]})
        >>> number_marks(Texts(table))[0].thousands
        '.'
        >>> number_marks(Texts(pa.table({"share": ["44.4 %", "3%"]})))[0].percent
        ('share',)
    """
    shapes = {name: _shapes(texts, name) for name in texts.names}
    marks = Marks(_decimal_mark(shapes))
    thousands = [mark for mark in GROUPING if _proves(shapes, marks.decimal, mark)]
    if len(thousands) == 1 and not _contradicting(shapes, thousands[0]):
        marks = replace(marks, thousands=thousands[0])
    percent, doubts = _percent(shapes, marks)
    marks = replace(marks, percent=percent)
    return marks, [*_said(shapes, marks), *_unsettled(shapes, marks), *doubts]


def _shapes(texts: Texts, name: str) -> list[_Shape]:
    """Return the shapes of a column's cells, without those that may mean a missing value."""
    words = ", ".join(map(text_literal, (*USUAL, *IN_NUMBERS)))
    rows = texts.rows(
        f"SELECT CASE WHEN regexp_full_match(bare, '[+-]?[\\d.,''\u2019 {SPACES}]*') THEN "
        f"translate(regexp_replace(bare, '^([+-]?)0', '\\1z'), '012345678{SPACES}\u2019', "
        "'999999999  ''') ELSE '' END, percent, count(*), min(cell) "
        f"FROM (SELECT cell, cell LIKE '%\\%' ESCAPE '\\' AS percent, "
        f"regexp_replace(cell, '[\\s{SPACES}]*%$', '') AS bare "
        f"FROM (SELECT {quoted(name)} AS cell FROM {CELLS}) "
        f"WHERE cell IS NOT NULL AND cell NOT IN ({words})) GROUP BY ALL ORDER BY ALL"
    )
    return [_Shape(*row) for row in rows]


def _decimal_mark(shapes: Shapes) -> str:
    """Return the decimal mark that most fractions in the file are written with."""
    comma, point = _Fractions.of(shapes, ",", "."), _Fractions.of(shapes, ".", ",")
    # Groups of three digits may be thousands, once 1.017,13 has shown which mark makes groups.
    commas = comma.sure + (0 if point.beside_groups else comma.like_groups)
    points = point.sure + (0 if comma.beside_groups else point.like_groups)
    return "," if comma.sure and commas > points else "."


@dataclass(frozen=True)
class _Fractions:
    """Cells that are fractions if a mark is the decimal one.

    Attributes:
        beside_groups: Cells that the mark alone makes a number, such as 1.017,13 or 1.017.131.
        longer: Fractions that are no group, such as 2,5.
        like_groups: Fractions that may be groups of three digits, such as 1,204.
    """

    beside_groups: int
    longer: int
    like_groups: int

    @property
    def sure(self) -> int:
        return self.beside_groups + self.longer

    @classmethod
    def of(cls, shapes: Shapes, mark: str, other: str) -> "_Fractions":
        grouped = [s for column in shapes.values() for s in _grouped(column, mark, other)]
        fractions = [
            shape
            for column in shapes.values()
            for shape in column
            if re.fullmatch(_fraction(mark), shape.text)
        ]
        return cls(
            sum(shape.count for shape in grouped if not _like_a_group(shape, other)),
            sum(shape.count for shape in fractions if not _like_a_group(shape, mark)),
            sum(shape.count for shape in fractions if _like_a_group(shape, mark)),
        )


def _fraction(mark: str) -> str:
    return rf"[+-]?z?9*{GROUPING[mark]}9+"


def _like_a_group(shape: _Shape, mark: str) -> bool:
    """Return whether a mark stands in a number as if it grouped it, and as if it were decimal."""
    return bool(re.fullmatch(rf"[+-]?9{{1,3}}{GROUPING[mark]}9{{3}}", shape.text))


def _grouped(column: Sequence[_Shape], decimal: str, thousands: str) -> list[_Shape]:
    """Return the shapes with groups; none in a column that these marks do not make numbers of."""
    if not _is_numeric(column, decimal, thousands):
        return []
    return [shape for shape in column if _has_groups(shape, decimal, thousands)]


def _has_groups(shape: _Shape, decimal: str, thousands: str) -> bool:
    mark, point = GROUPING[thousands], GROUPING[decimal]
    return bool(re.fullmatch(rf"[+-]?9{{1,3}}({mark}9{{3}})+({point}9*)?", shape.text))


def _is_numeric(column: Sequence[_Shape], decimal: str, thousands: str | None) -> bool:
    plain = rf"[+-]?(z?9+({GROUPING[decimal]}9*)?|z({GROUPING[decimal]}9*)?|{GROUPING[decimal]}9+)"
    read = sum(
        shape.count
        for shape in column
        if re.fullmatch(plain, shape.text)
        or (thousands is not None and _has_groups(shape, decimal, thousands))
    )
    return bool(read) and read >= NUMERIC * sum(shape.count for shape in column)


def _proves(shapes: Shapes, decimal: str, thousands: str) -> bool:
    """Return whether a cell can be read only if a mark groups digits beside this decimal mark."""
    grouped = [s for column in shapes.values() for s in _grouped(column, decimal, thousands)]
    settled = thousands in " '" or any(
        re.fullmatch(_fraction(decimal), shape.text) and not _like_a_group(shape, decimal)
        for column in shapes.values()
        if _is_numeric(column, decimal, None)
        for shape in column
    )
    return any(settled or not _like_a_group(shape, thousands) for shape in grouped)


def _contradicting(shapes: Shapes, thousands: str) -> tuple[str, str] | None:
    """Return a column and a cell in which a mark stands between digits but makes no group."""
    return next(
        (
            (name, shape.example)
            for name, column in shapes.items()
            for shape in column
            if re.fullmatch(_fraction(thousands), shape.text)
            and not _like_a_group(shape, thousands)
        ),
        None,
    )


def _said(shapes: Shapes, marks: Marks) -> list[Doubt]:
    """Say what the grouping mark makes of a number."""
    if marks.thousands is None:
        return []
    name, example = next(
        (name, shape.example)
        for name, column in shapes.items()
        for shape in _grouped(column, marks.decimal, marks.thousands)
    )
    text = (
        f"{marks.thousands!r} is taken to group digits by three, and {marks.decimal!r} for the "
        f"decimal mark: {example!r} in {name!r} is one number."
    )
    return [Doubt("source.format.thousands", text)]


def _unsettled(shapes: Shapes, marks: Marks) -> list[Doubt]:
    """Name the columns that stay text although they look like numbers in groups."""
    doubts = []
    for name, column in shapes.items():
        if _is_numeric(column, marks.decimal, marks.thousands):
            continue
        for mark in GROUPING:
            grouped = _grouped(column, marks.decimal, mark) if mark != marks.decimal else []
            if grouped:
                against = _contradicting(shapes, mark)
                why = f"{against[1]!r} in {against[0]!r} is not" if against else "nothing proves it"
                text = (
                    f"{grouped[0].example!r} looks like a number in groups of three digits, but "
                    f"{why}: it stays text. If it is one, declare source.format.thousands: "
                    f'"{mark}", and the column as float in contract.py.'
                )
                doubts.append(Doubt(name, text))
    return doubts


def _percent(shapes: Shapes, marks: Marks) -> tuple[tuple[str, ...], list[Doubt]]:
    """Return the columns of which all cells are numbers in percent, and those of which most are."""
    found, doubts = [], []
    for name, column in shapes.items():
        signed = [shape for shape in column if shape.percent and shape.text]
        others = [shape for shape in column if not (shape.percent and shape.text)]
        if not signed or not _is_numeric(signed, marks.decimal, marks.thousands):
            continue
        if not others:
            found.append(name)
            text = f"ends in '%' and is read in percent: {signed[0].example!r} without the sign."
            doubts.append(Doubt(name, text))
        elif sum(s.count for s in signed) >= MOSTLY_NUMBERS * sum(s.count for s in column):
            text = f"looks like a number with %, but {others[0].example!r} is none: it stays text."
            doubts.append(Doubt(name, text))
    return tuple(found), doubts
