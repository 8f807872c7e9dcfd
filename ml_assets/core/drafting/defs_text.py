"""The text of defs.yaml: the declaration, with the reasons for what was chosen."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta

from ml_assets.core.drafting.candidates_text import candidates_text
from ml_assets.core.drafting.plan import plan_labels
from ml_assets.core.inference import Inference
from ml_assets.core.inference.durations import DAY, WEEK, at_most, iso
from ml_assets.core.window import floor

FOLDS = 4
TESTED = 0.4


def yaml_text(text: str) -> str:
    """Return a text as a YAML scalar that is read back as it is.

    Example:
        >>> yaml_text("hour"), yaml_text("%d/%m/%Y"), yaml_text("no"), yaml_text("007")
        ('hour', '"%d/%m/%Y"', '"no"', '"007"')
    """
    plain = text.isidentifier() and text.isascii()
    words = {"y", "n", "yes", "no", "true", "false", "on", "off", "null", "nan", "inf"}
    return text if plain and text.lower() not in words else json.dumps(text, ensure_ascii=False)


def defs_text(inference: Inference, *, name: str, path: str) -> str:
    """Return defs.yaml.

    Args:
        inference: What the file has shown.
        name: Name of the problem.
        path: Where the rows lie, as the declaration names it.
    """
    blocks = (
        _head(inference, name),
        _source(inference, path),
        _time(inference),
        _entity(inference),
        _label(inference),
        _learning(inference),
        _operation(inference),
    )
    return "\n".join(line.rstrip() for block in blocks for line in block) + "\n"


def _listed(values: Iterable[str]) -> str:
    return f"[{', '.join(yaml_text(value) for value in values)}]"


def _moment(moment: datetime) -> str:
    return f'"{moment:%Y-%m-%dT%H:%M:%S}Z"'


def _head(inference: Inference, name: str) -> Iterable[str]:
    truth = inference.truth
    yield "# Drafted from a file. Read it through once: what was inferred is said beside it."
    for doubt in inference.doubts:
        yield f"#   look at {doubt.about}: {doubt.text}"
    yield "type: ml_assets.components.MLProblemComponent"
    yield ""
    yield "attributes:"
    yield f"  name: {yaml_text(name)}"
    yield f"  description: Predict {truth.column} from what is known at a row's event time."
    yield f"  task: {truth.task}"
    if truth.classes:
        yield f"  # classes, the most frequent first: {', '.join(truth.classes)}"


def _source(inference: Inference, path: str) -> Iterable[str]:
    form = inference.format
    yield ""
    yield "  source:"
    yield "    kind: files"
    yield f"    path: {json.dumps(path, ensure_ascii=False)}  # a glob takes later files in as well"
    yield "    format:"
    yield f"      kind: {form.kind}"
    if form.kind == "csv":
        yield f"      delimiter: {json.dumps(form.delimiter)}"
        yield f"      quote: {json.dumps(form.quote)}"
        yield f"      encoding: {form.encoding}"
    yield f'      decimal: "{form.decimal}"'
    if form.thousands is not None:
        yield f'      thousands: "{form.thousands}"'
    if form.percent:
        yield f"      percent: {_listed(form.percent)}"
    yield f"      null_words: {json.dumps(list(form.null_words), ensure_ascii=False)}"
    if form.sentinels:
        yield "      sentinels:  # far from all other values, and repeated"
        for column, values in form.sentinels.items():
            yield f"        {column}: [{', '.join(f'{value:g}' for value in values)}]"
    if form.dates:
        yield "      dates:"
        for column, layout in form.dates.items():
            yield f"        {column}: {yaml_text(layout)}"
    if inference.renames:
        yield "    renames:"
        yield "      - version: 1"
        yield "        columns:"
        for old, new in inference.renames.items():
            yield f"          {json.dumps(old, ensure_ascii=False)}: {new}"


def _time(inference: Inference) -> Iterable[str]:
    time, pace = inference.time, inference.pace
    yield ""
    yield "  time:"
    if time.sequence is not None:
        yield "    sequence:  # no column tells a time: rows follow one another at this step"
        if time.sequence.column is not None:
            yield f"      column: {yaml_text(time.sequence.column)}"
        yield f"      step: {iso(time.sequence.step)}"
        yield f"      origin: {_moment(time.sequence.origin)}"
    else:
        yield f"    columns: {_listed(time.columns)}"
        yield f"    format: {yaml_text(time.format)}"
        yield "    timezone: UTC  # the zone of times that carry none"
    yield "  partitions:"
    yield f"    every: {pace.every}  # {pace.partitions:,} from first to last row"
    yield f"    start: {_moment(floor(pace.start, pace.every))}"
    if pace.end is not None:
        yield f"    end: {_moment(pace.end)}  # leave out when new rows keep coming"


def _entity(inference: Inference) -> Iterable[str]:
    late = [column.name for column in inference.having("after_event")]
    yield f"  keys: {_listed(inference.keys)}"
    yield "  duplicates: {keep: last}"
    if late:
        yield "  after_event:  # they know the label: no feature may read them"
        for column in inference.having("after_event"):
            yield f"    - {column.name}  # {column.why}"
    yield "  quality:"
    if inference.pace.max_rejected > 0.05:
        yield "    # the worst day of the file: lower it to 0.05 when the file is mended"
    yield f"    max_rejected: {inference.pace.max_rejected:g}"
    yield f"    max_gap: {iso(inference.pace.max_gap)}"


def _label(inference: Inference) -> Iterable[str]:
    truth, pace = inference.truth, inference.pace
    yield ""
    yield "  label:"
    yield f"    column: {truth.column}"
    yield f"    delay: {iso(truth.delay)}  # the truth is known this long after the event"
    yield "  features:"
    lookback = plan_labels(inference).lookback
    yield f"    lookback: {iso(lookback)}  # the oldest label that features.sql reads"
    horizon = horizon_of(pace.span, pace.step)
    yield ""
    yield "  evaluation:"
    yield f"    folds: {FOLDS}"
    yield f"    horizon: {iso(horizon)}"
    yield f"    min_train_rows: {max(10, min(200, inference.rows // 4))}"
    yield "  baselines:"
    for baseline in inference.baselines:
        season = f", period: {iso(baseline.period)}" if baseline.period else ""
        yield f"    - {{kind: {baseline.kind}{season}}}"


def horizon_of(span: timedelta, step: timedelta) -> timedelta:
    """Return the length of a test fold: all folds together test the last two fifths.

    Example:
        >>> horizon_of(timedelta(days=731), timedelta(hours=1))
        datetime.timedelta(days=60)
    """
    return max(at_most(span * TESTED / FOLDS), step)


def _learning(inference: Inference) -> Iterable[str]:
    yield from candidates_text(inference)
    tested = int(inference.rows * TESTED)
    yield "  gates:"
    yield "    promote_when: better"
    yield f"    min_rows: {max(10, min(100, tested // 2))}"


def _operation(inference: Inference) -> Iterable[str]:
    hours = max(inference.pace.span / timedelta(hours=1), 1.0)
    rate = inference.rows / hours
    if rate >= 50:
        window, scales = timedelta(hours=1), "[1, 2, 4, 24]"
    elif rate >= 1:
        window, scales = DAY, "[1, 2, 7, 28]"
    else:
        window, scales = WEEK, "[1, 2, 4, 13]"
    yield ""
    yield "  monitoring:"
    yield f"    window: {iso(window)}  # about {rate * (window / timedelta(hours=1)):,.0f} rows"
    yield f"    scales: {scales}"
    yield f"    min_rows: {200 if inference.rows >= 5_000 else 50}"
    yield "  retraining:"
    yield '    # cron: "0 4 * * 1"  # every Monday at four, drift or not'
    yield "    triggers: [drift]"
    yield "    cooldown: P1D"
    yield "  seed: 0"
