"""Every file of the source could be read."""

import dagster as dg

from ml_assets.assets.stage import key_of
from ml_assets.checks.property import listed
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.landing import Stream
from ml_assets.storage.workspace import Workspace

SHOWN = 20


def no_file_set_aside(
    declared: DeclaredProblem, stream: Stream, *, files: str
) -> dg.AssetChecksDefinition:
    """No file of the source is set aside because it could not be read; each one is named."""
    problem = declared.problem

    @dg.asset_check(
        asset=key_of(problem, files),
        name=no_file_set_aside.__name__,
        description=no_file_set_aside.__doc__,
    )
    def _no_file_set_aside(workspace: dg.ResourceParam[Workspace]) -> dg.AssetCheckResult:
        known = workspace.files.known(problem.name, stream.table).values()
        aside = [f"{r.path}: {r.reason}" for r in known if r.status == "set_aside"]
        return dg.AssetCheckResult(
            passed=not aside,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"Set aside: {listed(aside)}" if aside else "Every file was read.",
            metadata={"files_set_aside": len(aside), "reasons": aside[:SHOWN]},
        )

    return _no_file_set_aside
