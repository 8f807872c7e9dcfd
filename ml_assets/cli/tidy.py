"""The command that frees disk space."""

from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from ml_assets.automation.jobs import table_names
from ml_assets.cli.project import enter_project, open_workspace
from ml_assets.cli.running import Problem
from ml_assets.components.loading import declared_problem
from ml_assets.storage.tidying import tidy as tidy_tables


def tidy(problem: Problem) -> None:
    """Delete table versions older than a day that no model needs, and merge small files."""
    enter_project()
    console, declared = Console(), declared_problem(problem)
    with console.status("tidying"):
        found = tidy_tables(
            open_workspace(), declared, known=table_names(declared), now=datetime.now(tz=UTC)
        )
    shown = Table("table", "deleted")
    for table, deleted in found.tables.items():
        shown.add_row(table, str(deleted))
    shown.add_row("drafts of artefacts", str(found.drafts))
    console.print(shown)
    console.print(
        "Kept: what trained models need, what is younger than a day, spool, profiles, artefacts. "
        f"Next: ml-assets status {problem}"
    )
