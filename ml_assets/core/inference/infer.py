"""From the texts of a file to all that its problem's folder has to say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pyarrow as pa

from ml_assets.core.contract import Kind
from ml_assets.core.errors import DataError, nearest
from ml_assets.core.inference.cells import null_words
from ml_assets.core.inference.columns import describe_columns
from ml_assets.core.inference.durations import DAY, WEEK, YEAR, iso
from ml_assets.core.inference.entities import Entities, find_entities
from ml_assets.core.inference.kinds import (
    TYPED,
    Values,
    make_typed,
    values_of,
    without_sentinels,
)
from ml_assets.core.inference.marks import Marks
from ml_assets.core.inference.names import identifiers
from ml_assets.core.inference.number_marks import number_marks
from ml_assets.core.inference.order import Order, find_order, in_file_order
from ml_assets.core.inference.pace import find_pace
from ml_assets.core.inference.sentinels import sentinels
from ml_assets.core.inference.spelling import as_spelled
from ml_assets.core.inference.texts import Texts
from ml_assets.core.inference.truth import find_late, find_truth
from ml_assets.core.inference.values import Doubt, Inference, Pace
from ml_assets.core.problem import Baseline, EventTime, Format, Task

FEWEST_ROWS = 20


@dataclass(frozen=True)
class Asked:
    """What the user says; the rest is inferred.

    Attributes:
        target: The column to predict.
        time: Columns of the event time.
        keys: Columns that name the entity.
        label_delay: Time until the target's value is known.
        time_format: 'iso', 'epoch_s', 'epoch_ms' or a strptime format.
        task: Kind of problem.
    """

    target: str
    time: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    label_delay: timedelta | None = None
    time_format: str | None = None
    task: Task | None = None


@dataclass
class _Study:
    """What is known of a file while it is being looked at."""

    texts: Texts
    format: Format
    asked: Asked
    marks: Marks
    spelled: Mapping[str, str]
    names: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, Values] = field(default_factory=dict)
    doubts: list[Doubt] = field(default_factory=list)

    def contract_kinds(self) -> dict[str, Kind]:
        """Kinds by name in the contract."""
        return {self.names[source]: values.kind for source, values in self.kinds.items()}


def infer(
    table: pa.Table,
    layout: Format,
    asked: Asked,
    *,
    unnamed: Sequence[str] = (),
    spelled: Mapping[str, str] = MappingProxyType({}),
    complete: bool = True,
    now: datetime,
) -> Inference:
    """Infer a problem from a file.

    Args:
        table: The file's cells as text.
        layout: How it was read.
        asked: What the user says.
        unnamed: Columns that cannot be named in a declaration.
        spelled: Name in the file by name in the table, where they differ: DuckDB does not tell
            order from Order.
        complete: Whether ``table`` holds all rows of the file.
        now: A file whose last row is long past is taken for closed.

    Raises:
        DataError: If a named column is missing, the time is ambiguous, or the target cannot be
            learned.
    """
    if table.num_rows < FEWEST_ROWS:
        message = f"The file has {table.num_rows} rows; at least {FEWEST_ROWS} are needed."
        raise DataError(message)
    texts = Texts(table)
    named = {spelled.get(n, n): n for n in table.column_names if n not in unnamed}
    asked = _with_names_of_the_table(asked, named)
    marks, doubts = number_marks(texts)
    words, word_doubts = null_words(texts, marks)
    texts.empty_cells(words)
    written = {"decimal": marks.decimal, "thousands": marks.thousands, "null_words": ("", *words)}
    study = _Study(
        texts,
        layout.model_copy(update=written),
        asked,
        marks,
        spelled,
        doubts=[*doubts, *word_doubts],
    )
    order = find_order(texts, asked.time, asked.time_format, skip=(*unnamed, asked.target))
    study.doubts += order.doubts
    order = _typed(study, order, unnamed)
    entities, order = _entities(study, order, unnamed)
    inference = _concluded(study, order, entities, complete=complete, now=now)
    return as_spelled(inference, spelled)


def _with_names_of_the_table(asked: Asked, named: Mapping[str, str]) -> Asked:
    """Return what was asked, in the table's names; the contract's names are understood too.

    Args:
        asked: What the user says.
        named: Name in the table by name in the file.
    """
    names = list(named)
    clean = {new: old for old, new in identifiers(names).items()}
    folded = {name.lower(): name for name in reversed(names)}

    def found(name: str, option: str) -> str:
        if name in named:
            return named[name]
        if name in clean or name.lower() in folded:
            return named[clean.get(name) or folded[name.lower()]]
        message = f"{option} {name!r} is not a column of the file. {nearest(name, names)}"
        raise DataError(message)

    return replace(
        asked,
        target=found(asked.target, "--target"),
        time=tuple(found(name, "--time") for name in asked.time),
        keys=tuple(found(name, "--key") for name in asked.keys),
    )


def _typed(study: _Study, order: Order, unnamed: Sequence[str]) -> Order:
    """Find the kinds of all columns and make the typed table."""
    texts, marks = study.texts, study.marks
    hidden = () if order.counted else order.columns
    usable = [name for name in texts.names if name not in unnamed and name not in hidden]
    in_file = {name: study.spelled.get(name, name) for name in (*usable, *hidden)}
    given = identifiers([in_file[n] for n in usable], taken=[in_file[n] for n in hidden])
    study.names = {name: given[in_file[name]] for name in usable}
    study.kinds = {
        name: values for name in usable if (values := values_of(texts, name, marks)) is not None
    }
    if study.asked.target not in study.kinds:
        message = f"The target {study.asked.target!r} has no value, or is the event time itself."
        raise DataError(message)
    _label_as_text(study)
    study.doubts += [
        Doubt(
            study.names[name],
            f"cells that are not {values.kind}: {values.odd:,}. Their rows will be rejected.",
        )
        for name, values in study.kinds.items()
        if values.odd
    ]
    make_typed(texts, study.kinds, names=study.names, moment=order.sql, marks=marks)
    numbers = [n for n, kind in study.contract_kinds().items() if kind in ("float", "integer")]
    found = sentinels(texts, TYPED, numbers)
    without_sentinels(texts, found)
    percent = tuple(study.names[n] for n in marks.percent if study.names.get(n) in numbers)
    read = {"sentinels": dict(found), "percent": percent}
    study.format = study.format.model_copy(update=read)
    study.doubts += [
        Doubt(name, f"{', '.join(f'{v:g}' for v in values)} is taken for a missing value.")
        for name, values in found.items()
    ]
    return order


def _label_as_text(study: _Study) -> None:
    # A class keeps its own spelling: "yes" is answered as "yes".
    target = study.asked.target
    if study.kinds[target].kind in ("boolean", "datetime"):
        study.kinds[target] = Values("string")


def _entities(study: _Study, order: Order, unnamed: Sequence[str]) -> tuple[Entities, Order]:
    """Find the keys; where times hardly differ and nothing tells rows apart, take their order."""
    kinds, target = study.contract_kinds(), study.names[study.asked.target]
    asked = [study.names[name] for name in study.asked.keys if name in study.names]
    entities = find_entities(study.texts, kinds, target=target, asked=asked)
    rows = study.texts.row(f"SELECT count(event_time) FROM {TYPED}")[0]
    crowded = entities.twins > 0.5 * rows and not entities.keys
    if crowded and not study.asked.time and not order.backward:
        order = in_file_order(study.texts, order)
        study.doubts += order.doubts
        _typed(study, order, unnamed)
        entities = find_entities(study.texts, study.contract_kinds(), target=target)
    study.doubts += entities.doubts
    return entities, order


def _concluded(
    study: _Study, order: Order, entities: Entities, *, complete: bool, now: datetime
) -> Inference:
    texts, asked = study.texts, study.asked
    kinds = study.contract_kinds()
    series = () if entities.each_row else entities.keys
    pace = find_pace(texts, keys=series, now=now.astimezone(UTC))
    target = study.names[asked.target]
    delay = asked.label_delay if asked.label_delay is not None else pace.step
    truth, doubts = find_truth(texts, target, kinds[target], delay=delay, task=asked.task)
    if asked.label_delay is None:
        text = f"taken for one step ({iso(delay)}): say with --label-delay when the truth is known."
        doubts.append(Doubt("label.delay", text))
    others = {
        name: kind for name, kind in kinds.items() if name in series or name not in entities.keys
    }
    late = find_late(texts, others, truth, keys=series, timed=order.sequence is None)
    doubts += [Doubt(name, f"gives the target away: {why}.") for name, why in late.items()]
    columns, column_doubts = describe_columns(
        texts,
        study.kinds,
        names=study.names,
        time=() if order.counted else order.columns,
        truth=truth,
        keys=entities.keys,
        late=late,
        freeze=complete,
    )
    dates = {c.name: c.date_format for c in columns if c.in_contract and c.date_format}
    rows = texts.row(f"SELECT count(*) FROM {TYPED}")[0]
    in_contract = {c.source: c.name for c in columns if c.in_contract and c.source != c.name}
    return Inference(
        rows=rows,
        complete=complete,
        columns=columns,
        format=study.format.model_copy(update={"dates": dates}),
        time=_event_time(order, study.names),
        keys=entities.keys,
        pace=pace,
        truth=truth,
        baselines=_baselines(pace, order, recurring=not entities.each_row),
        doubts=(*study.doubts, *doubts, *column_doubts),
        renames=in_contract,
    )


def _event_time(order: Order, names: Mapping[str, str]) -> EventTime:
    if order.sequence is None:
        return EventTime(columns=order.columns, format=order.format)
    if not order.counted:
        return EventTime(sequence=order.sequence)
    # A column of the contract goes by the contract's name.
    column = names[str(order.sequence.column)]
    return EventTime(sequence=order.sequence.model_copy(update={"column": column}))


def _baselines(pace: Pace, order: Order, *, recurring: bool) -> tuple[Baseline, ...]:
    """Return the rules that fit the step and the span: two seasons must lie in the file."""
    if not recurring:
        return (Baseline(kind="typical"),)
    seasons: Mapping[timedelta, bool] = {
        DAY: pace.step <= DAY / 2 and pace.span >= 7 * DAY,
        WEEK: pace.step <= DAY and pace.span >= 4 * WEEK,
        YEAR: pace.step >= WEEK and pace.span >= 3 * YEAR,
    }
    return (
        Baseline(kind="typical"),
        Baseline(kind="persistence"),
        *(
            Baseline(kind="seasonal", period=season)
            for season, fits in seasons.items()
            if fits and order.sequence is None
        ),
    )
