"""Column lineage: from which columns of which tables each column of a table is made."""

from collections.abc import Iterable, Mapping

import dagster as dg

from ml_assets.assets.stage import key_of
from ml_assets.core.batch_answers import schema_of
from ml_assets.core.feature_lineage import feature_origins
from ml_assets.core.feature_sql import LABELS_VIEW, ROWS_VIEW
from ml_assets.core.training_set import BASELINE_PREFIX
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.label_tables import RAW_LABELS, labels_stream

Origins = Mapping[str, Iterable[tuple[str, str]]]


def validated_lineage(declared: DeclaredProblem) -> dg.TableColumnLineage:
    """Return which raw columns validated_data is made from.

    Columns that a file calls otherwise bear the contract's name in raw_data already.
    """
    same = ("_date", "event_time", "_file", "_row", *declared.contract.contract.names)
    known = "_known_text" if declared.problem.time.known_at else "event_time"
    origins = {name: [("raw_data", name)] for name in same}
    return _lineage(declared, {**origins, "known_at": [("raw_data", known)]})


def labels_lineage(declared: DeclaredProblem) -> dg.TableColumnLineage:
    """Return what labels are made from: their own source, or the columns of the rows."""
    problem, stream = declared.problem, labels_stream(declared)
    names = ("_date", *problem.identity, problem.label.column)
    if stream is None:
        rows = {name: [(ROWS_VIEW, name)] for name in (*names, *problem.after_event)}
        return _lineage(declared, {**rows, "known_at": [(ROWS_VIEW, "event_time")]})
    own = {name: [(RAW_LABELS, name)] for name in names}
    known = "_known_text" if stream.time.known_at else "event_time"
    return _lineage(declared, {**own, "known_at": [(RAW_LABELS, known)]})


def feature_lineage(declared: DeclaredProblem) -> dg.TableColumnLineage:
    """Return what features.sql reads for each feature, as far as its text tells."""
    return _lineage(declared, _features(declared))


def prediction_lineage(declared: DeclaredProblem) -> dg.TableColumnLineage:
    """Return what batch predictions, and what is said beside them, are made from.

    Any feature may count; the intervention is no row's own.
    """
    place = ("_date", *declared.problem.identity)
    features = [name for name in _features(declared) if name not in place]
    origins = {name: [("feature_table", name)] for name in place}
    said = [name for name in schema_of(declared.problem.task).names if name != "intervention"]
    answer = [("feature_table", name) for name in features]
    return _lineage(declared, {**origins, **dict.fromkeys(said, answer)})


def _features(declared: DeclaredProblem) -> Origins:
    problem = declared.problem
    seen = ("event_time", "known_at", *declared.contract.contract.without(*declared.hidden).names)
    late = (*problem.identity, problem.label.column, *problem.after_event, "known_at")
    tables: dict[str, tuple[str, ...]] = {ROWS_VIEW: seen, LABELS_VIEW: late}
    found = feature_origins(declared.sql, {**tables, **dict.fromkeys(problem.references, ())})
    past = {
        BASELINE_PREFIX + baseline.name: [(LABELS_VIEW, problem.label.column)]
        for baseline in declared.query.baselines
    }
    return {"_date": [(ROWS_VIEW, "event_time")], **found, **past}


def _lineage(declared: DeclaredProblem, origins: Origins) -> dg.TableColumnLineage:
    """Name assets in place of tables; a view of a reference is the asset of that reference."""
    problem = declared.problem
    assets = {name: f"reference_{name}" for name in problem.references}
    return dg.TableColumnLineage(
        {
            column: [
                dg.TableColumnDep(key_of(problem, assets.get(table, table)), name)
                for table, name in pairs
            ]
            for column, pairs in origins.items()
        }
    )
