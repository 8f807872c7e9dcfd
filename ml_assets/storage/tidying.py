"""Housekeeping: what nobody can ask for any more is deleted, and small files are merged.

Kept are the newest version of each table, every version that was current within a day, and every
version that the recipe of a trained model names: that model can be reproduced. Prediction spool,
profiles and artefacts are kept as a whole.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ml_assets.core.feedback import FEEDBACK
from ml_assets.core.window import floor
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.deleted import Deleted
from ml_assets.storage.exclusive import alone
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.training_sets import TrainingRecipe
from ml_assets.storage.versions import trained_versions
from ml_assets.storage.workspace import Workspace

# A reader may have opened a version just before it was replaced, and a writer may be at work.
RETENTION = timedelta(days=1)
# The feedback sensor compares the table with the version that it saw last, however long ago.
WHOLE = (FEEDBACK,)


@dataclass(frozen=True)
class Tidied:
    """What was deleted.

    Attributes:
        tables: Files of tables, by the table's name.
        drafts: Half-written artefacts of processes that died, of all problems.
    """

    tables: Mapping[str, Deleted]
    drafts: Deleted


def tidy(
    workspace: Workspace, declared: DeclaredProblem, *, known: Collection[str], now: datetime
) -> Tidied:
    """Merge the small files of dates that are over; delete old files that nothing names.

    Runs that read and write meanwhile are not disturbed.

    Args:
        workspace: What is tidied.
        declared: The problem whose tables are tidied.
        known: Names of its tables, for an object store.
        now: Dates before are over.

    Raises:
        ArtefactError: If the recipe of a trained model cannot be read: nothing is deleted then,
            for it is not known what it needs.
    """
    problem, lake = declared.problem, workspace.lake
    every = problem.partitions.every
    over = floor(now, "day" if every == "hour" else every).date()
    with alone(workspace.home / "locks" / problem.name / "tidying"):
        kept = kept_versions(workspace, problem.name)
        deleted = {}
        for table in lake.tables(problem.name, known=known):
            name = table_name(declared, table)
            lake.compact(name, before=over)
            if table not in WHOLE:
                deleted[table] = lake.vacuum(name, kept.get(table, ()), older_than=RETENTION)
        drafts = workspace.artefacts.delete_drafts(before=now - RETENTION)
    return Tidied(deleted, drafts)


def kept_versions(workspace: Workspace, problem: str) -> dict[str, set[int]]:
    """Return the versions that recipes name, by table: of trained models, and of training sets."""
    sets = workspace.outputs.folders(problem, "training_set")
    recipes = [
        *(version.recipe for version in trained_versions(workspace, problem)),
        *(json.loads((folder / "recipe.json").read_bytes()) for folder in sets),
    ]
    kept = defaultdict(set)
    for recipe in recipes:
        for table, version in TrainingRecipe.from_json(recipe).tables.items():
            kept[table].add(version)
    return dict(kept)
