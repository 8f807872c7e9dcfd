"""Whether rows belong to several entities, and which columns name them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from ml_assets.core.contract import Kind
from ml_assets.core.feature_query import quoted
from ml_assets.core.inference.kinds import TYPED
from ml_assets.core.inference.texts import Texts
from ml_assets.core.inference.values import Doubt

# Rows that may share their identity before a column counts as no key.
FEW_TWINS = 0.002
# Share of the entities that have a row at a moment, on average, in a table of entities over time.
DENSE = 0.2
MOST_ENTITIES = 20_000
ENTITY_WORD = re.compile(
    r"(^|_)(id|station|site|sensor|device|machine|store|shop|customer|client|user|vehicle|symbol|"
    r"ticker|stock|meter|node|rig|turbine|plant|engine|asset|household|account|item|product|sku|"
    r"patient|subject|mote|location|zone|borough|building|room|house|country|city|county|province|"
    r"well|pump|bearing|battery|uuid|apartment|dept|department|branch|warehouse|region)(_|$)|id$"
)


@dataclass(frozen=True)
class Entities:
    """What names a row beside its event time.

    Attributes:
        keys: The columns; none if rows are one series.
        each_row: Whether the key is a number of its own for each row (an order, a trip).
        twins: Rows that share keys and event time with an earlier one.
        doubts: What should be looked at.
    """

    keys: tuple[str, ...]
    each_row: bool
    twins: int
    doubts: tuple[Doubt, ...] = ()


def twins(texts: Texts, keys: Sequence[str]) -> int:
    """Return how many rows share keys and event time with another, beyond the first of each."""
    names = ", ".join(["event_time", *map(quoted, keys)])
    (count,) = texts.row(
        f"SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM {TYPED} "
        f"WHERE event_time IS NOT NULL GROUP BY {names})"
    )
    return int(count)


def find_entities(
    texts: Texts, kinds: Mapping[str, Kind], *, target: str, asked: Sequence[str] = ()
) -> Entities:
    """Find the columns that name an entity.

    Args:
        texts: Holds the table ``typed``.
        kinds: Kinds of its columns.
        target: The label, never a key.
        asked: Columns that the user names.
    """
    rows, moments = texts.row(f"SELECT count(event_time), count(DISTINCT event_time) FROM {TYPED}")
    exact = _exact_twins(texts, tuple(kinds))
    if asked:
        left = twins(texts, asked)
        return Entities(tuple(asked), each_row=False, twins=left, doubts=_twin_doubts(left, rows))
    counts = _candidates(texts, kinds, target)
    distinct = rows - exact
    if distinct - moments > FEW_TWINS * rows:
        found = _panel(texts, counts, rows=rows, exact=exact, moments=moments)
        if found:
            return Entities(found, each_row=False, twins=twins(texts, found))
        unique = [name for name, count in counts.items() if count >= 0.999 * distinct]
        if unique:
            return _each_row(texts, unique[0])
    named = _by_name(texts, counts, rows)
    if named is not None:
        text = f"taken for the entity because of its name: {named!r} recurs all through the file."
        left = twins(texts, (named,))
        doubts = (Doubt("keys", text), *_twin_doubts(left - exact, rows))
        return Entities((named,), each_row=False, twins=left, doubts=doubts)
    # A text of its own for each row, such as a customer's: a running number is a plain series'.
    numbered = [
        name
        for name, count in counts.items()
        if kinds[name] == "string" and count == rows and ENTITY_WORD.search(name)
    ]
    if numbered:
        return _each_row(texts, numbered[0])
    left = rows - moments
    return Entities((), each_row=False, twins=left, doubts=_twin_doubts(left, rows))


def _each_row(texts: Texts, name: str) -> Entities:
    text = f"{name!r} names each row: it is the key, and rows are one series in time."
    left = twins(texts, (name,))
    return Entities((name,), each_row=True, twins=left, doubts=(Doubt("keys", text),))


def _twin_doubts(left: int, rows: int) -> tuple[Doubt, ...]:
    if not left:
        return ()
    text = (
        f"{left:,} of {rows:,} rows share their identity with another and will be rejected "
        "(duplicates.keep decides which stays). If they are different things, name their --key."
    )
    return (Doubt("keys", text),)


def _exact_twins(texts: Texts, columns: Sequence[str]) -> int:
    names = ", ".join(["event_time", *map(quoted, columns)])
    (count,) = texts.row(
        f"SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM {TYPED} "
        f"WHERE event_time IS NOT NULL GROUP BY {names})"
    )
    return int(count)


def _candidates(texts: Texts, kinds: Mapping[str, Kind], target: str) -> dict[str, int]:
    """Return text and integer columns without gaps, with their number of different values."""
    counts = {}
    for name, kind in kinds.items():
        if name == target or kind not in ("string", "integer"):
            continue
        missing, distinct = texts.row(
            f"SELECT count(*) FILTER ({quoted(name)} IS NULL), count(DISTINCT {quoted(name)}) "
            f"FROM {TYPED} WHERE event_time IS NOT NULL"
        )
        if missing == 0 and distinct > 1:
            counts[name] = distinct
    return counts


def _panel(
    texts: Texts, counts: Mapping[str, int], *, rows: int, exact: int, moments: int
) -> tuple[str, ...]:
    """Return the column, or the two, of which nearly all values have a row at each moment."""
    few = {name: count for name, count in counts.items() if count <= MOST_ENTITIES}
    singles = [(name,) for name in few]
    pairs = [pair for pair in combinations(few, 2) if few[pair[0]] * few[pair[1]] <= MOST_ENTITIES]
    for choices in (singles, pairs):
        fitting = []
        for choice in choices:
            names = ", ".join(map(quoted, choice))
            (entities,) = texts.row(
                f"SELECT count(*) FROM (SELECT DISTINCT {names} FROM {TYPED} "
                "WHERE event_time IS NOT NULL)"
            )
            # So few entities cannot make the rows of a moment different.
            if entities * moments < (rows - exact) * (1 - FEW_TWINS):
                continue
            if rows < DENSE * entities * moments:
                continue
            if twins(texts, choice) - exact <= FEW_TWINS * rows:
                fitting.append((choice, entities))
        if fitting:
            named = [c for c, _ in fitting if all(ENTITY_WORD.search(name) for name in c)]
            return named[0] if named else min(fitting, key=lambda pair: pair[1])[0]
    return ()


def _by_name(texts: Texts, counts: Mapping[str, int], rows: int) -> str | None:
    """Return a column named like an entity whose values take turns all through the file."""
    for name, count in counts.items():
        if not ENTITY_WORD.search(name) or count > min(MOST_ENTITIES, rows / 20):
            continue
        key = quoted(name)
        (together,) = texts.row(
            # Entities live side by side: their spans cover each other.
            f"WITH lives AS (SELECT {key}, min(event_time) AS born, max(event_time) AS died "
            f"FROM {TYPED} WHERE event_time IS NOT NULL GROUP BY 1) "
            "SELECT avg(epoch(died) - epoch(born)) / nullif(epoch(max(died)) - "
            "epoch(min(born)), 0) FROM lives"
        )
        (turns,) = texts.row(
            f"SELECT avg(CAST({key} IS DISTINCT FROM above AS INTEGER)) FROM (SELECT {key}, "
            f"lag({key}) OVER (ORDER BY event_time, _row) AS above FROM {TYPED})"
        )
        if (together or 0) >= 0.5 and turns >= 0.5 * (1 - 1 / count):
            return name
    return None
