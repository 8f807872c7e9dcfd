"""From the text of a source to typed rows, as SQL text; nothing here reads a byte.

Two statements do the work: ``landing_sql`` places the rows of a file in time and keeps their text
(raw_data); ``typed_sql`` gives every such row its values, or the rule that it breaks.
"""

from ml_assets.core.reading.landing import (
    clock_sql,
    landing_sql,
    source_columns,
)
from ml_assets.core.reading.names import canonical_names, literal, quoted, spellings
from ml_assets.core.reading.times import event_time_sql, moment_sql
from ml_assets.core.reading.typed import duplicates_sql, typed_sql
from ml_assets.core.reading.values import text_sql, value_sql

__all__ = [
    "canonical_names",
    "clock_sql",
    "duplicates_sql",
    "event_time_sql",
    "landing_sql",
    "literal",
    "moment_sql",
    "quoted",
    "source_columns",
    "spellings",
    "text_sql",
    "typed_sql",
    "value_sql",
]
