"""How a property of an asset becomes an asset check."""

from collections.abc import Callable, Sequence
from inspect import cleandoc
from typing import Any

import dagster as dg
from duckdb import DuckDBPyConnection

from ml_assets.assets.stage import key_of, window_of_run
from ml_assets.core.window import Window
from ml_assets.resources.engine import Engine
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.workspace import Workspace

Judge = Callable[[DuckDBPyConnection, Workspace, Window], dg.AssetCheckResult]
Property = Callable[[DeclaredProblem], dg.AssetChecksDefinition]


def asset_property(
    declared: DeclaredProblem, asset: str, of: Property, judge: Judge, *, blocking: bool = False
) -> dg.AssetChecksDefinition:
    """Return the check that ``judge`` carries out on each run of ``asset``, over all it asks for.

    The check itself has no partitions: of a range, Dagster would show each of them as skipped.

    Args:
        declared: The problem.
        asset: Asset whose property it is.
        of: The factory that asks; the check takes its name and its docstring.
        judge: Looks at the partitions of the run.
        blocking: Whether what follows must not run when the property does not hold.
    """

    @dg.asset_check(
        asset=key_of(declared.problem, asset),
        name=of.__name__,
        description=cleandoc(of.__doc__ or ""),
        blocking=blocking,
    )
    def _check(
        context: dg.AssetCheckExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.AssetCheckResult:
        with duckdb.get_connection() as connection:
            window = window_of_run(declared.problem, context.run.tags)
            return judge(connection, workspace, window)

    return _check


def warn_unless(holds: bool, found: str, metadata: dict[str, Any]) -> dg.AssetCheckResult:
    """Return a result that warns, and never stops a run, when the property does not hold.

    Args:
        holds: Whether it holds.
        found: What was found, in a sentence.
        metadata: Figures and names.
    """
    return dg.AssetCheckResult(
        passed=holds, severity=dg.AssetCheckSeverity.WARN, description=found, metadata=metadata
    )


def listed(names: Sequence[str], *, shown: int = 3) -> str:
    """Return the first of some names in a sentence, and how many more there are.

    Example:
        >>> listed(["a", "b", "c", "d"])
        'a; b; c and 1 more'
    """
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return "; ".join(names[:shown]) + more
