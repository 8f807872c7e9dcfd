"""The text of features.sql: the row's own columns, the calendar, and past labels."""

from collections.abc import Iterable

from ml_assets.core.drafting.past_labels import PastLabels
from ml_assets.core.drafting.plan import plan_labels
from ml_assets.core.inference import Inference, Inferred
from ml_assets.core.inference.durations import DAY, YEAR

CLOCK = "r.clock"
DATED = """,
dated AS (
    -- The clock on the wall: put another zone here if the rhythm of the data has one.
    SELECT *, event_time AT TIME ZONE 'UTC' AS clock FROM validated_data
)"""
# Entities that are told apart by name in a model; more are told apart by their past only.
NAMED_ENTITIES = 50


def features_text(inference: Inference, *, name: str) -> str:
    """Return features.sql.

    Args:
        inference: What the file has shown.
        name: Name of the problem.
    """
    plan = plan_labels(inference)
    calendar = list(_calendar(inference))
    entity = entity_keys(inference)
    past = PastLabels(inference.truth, plan, entity)
    sections = [
        ("", [f"r.{key}" for key in inference.keys] + ["r.event_time"]),
        ("the row", [_own(column) for column in inference.having("feature")]),
        ("the entity", list(_entities(inference))),
        ("the calendar", calendar),
        ("past labels, as far as they were known at the row's time", past.columns()),
    ]
    used: set[str] = set()
    sections = [(title, [_named_once(line, used) for line in lines]) for title, lines in sections]
    select = ",\n\n".join(
        (f"    -- {title}\n" if title else "") + ",\n".join(f"    {line}" for line in lines)
        for title, lines in sections
        if lines
    )
    left_out = "".join(
        f"-- Left out: {column.name} ({column.why}).\n" for column in inference.having("plain")
    )
    return (
        f"-- Features of {name}: one row for each validated row.\n"
        f"{left_out}"
        f"{past.tables()}{DATED if calendar else ''}\n"
        f"SELECT\n{select}\n"
        f"FROM {'dated' if calendar else 'validated_data'} AS r\n"
        f"{past.joins()}\n"
    )


def entity_keys(inference: Inference) -> tuple[str, ...]:
    """Return the keys by which past labels are found; none where each row has its own."""
    return inference.keys if any(b.kind == "persistence" for b in inference.baselines) else ()


def _named_once(line: str, used: set[str]) -> str:
    """Return a line of the SELECT under a name that no line above has."""
    value, alias, name = line.rpartition(" AS ")
    value = value if alias else line
    name = wanted = name if alias else line.rpartition(".")[2]
    again = 2
    while name in used:
        name, again = f"{wanted}_{again}", again + 1
    used.add(name)
    return line if name == wanted else f"{value} AS {name}"


def _own(column: Inferred) -> str:
    if column.kind == "datetime":
        hours = f"(epoch(r.event_time) - epoch(r.{column.name})) / 3600"
        return f"{hours} AS hours_since_{column.name}"
    return f"r.{column.name}"


def _entities(inference: Inference) -> Iterable[str]:
    for column in inference.having("key"):
        if column.name in entity_keys(inference) and column.distinct <= NAMED_ENTITIES:
            yield f"CAST(r.{column.name} AS VARCHAR) AS {column.name}_name"


def _calendar(inference: Inference) -> Iterable[str]:
    """Yield the parts of the calendar that vary within the span, as numbers and as a circle."""
    pace = inference.pace
    if inference.time.sequence is not None:
        return
    if pace.step < DAY / 2 and pace.span >= 2 * DAY:
        hour = f"(hour({CLOCK}) + minute({CLOCK}) / 60)"
        yield f"{hour} AS calendar_hour"
        yield from _circle(hour, 24, "hour")
    if pace.step <= DAY and pace.span >= 14 * DAY:
        yield f"isodow({CLOCK}) AS calendar_weekday"
        yield f"CAST(isodow({CLOCK}) >= 6 AS INTEGER) AS calendar_weekend"
        yield from _circle(f"isodow({CLOCK})", 7, "weekday")
    if pace.step < YEAR / 2 and pace.span >= 1.5 * YEAR:
        yield f"month({CLOCK}) AS calendar_month"
        yield from _circle(f"dayofyear({CLOCK})", 365.25, "year")


def _circle(part: str, length: float, name: str) -> Iterable[str]:
    for function in ("sin", "cos"):
        yield f"{function}(2 * pi() * {part} / {length:g}) AS calendar_{name}_{function}"
