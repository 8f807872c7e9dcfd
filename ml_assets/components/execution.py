"""Runs of a problem's graph inside this process: for the command line, the demo and the tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import dagster as dg

from ml_assets.assets.stage import partitions_of, plain_utc
from ml_assets.automation.requests import range_tags
from ml_assets.components.graph import problem_graph
from ml_assets.core.window import Window
from ml_assets.resources.engine import Engine
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.workspace import Workspace


@dataclass(frozen=True)
class ProblemRunner:
    """Materialises parts of one problem's graph.

    Attributes:
        declared: The problem.
        workspace: Where everything is written.
        instance: Dagster's own record of runs.
        log_level: What Dagster says on the console.
    """

    declared: DeclaredProblem
    workspace: Workspace
    instance: dg.DagsterInstance
    log_level: str = "ERROR"

    @cached_property
    def definitions(self) -> dg.Definitions:
        """The problem's graph with its resources."""
        return dg.Definitions.merge(
            problem_graph(self.declared),
            dg.Definitions(
                resources={
                    "workspace": self.workspace,
                    "duckdb": Engine(),
                },
                executor=dg.in_process_executor,
            ),
        )

    def run(
        self,
        job: str,
        window: Window,
        *,
        assets: Sequence[str] | None = None,
        tags: Mapping[str, str] | None = None,
        raise_on_error: bool = True,
    ) -> dg.ExecuteInProcessResult:
        """Materialise a job's assets for all partitions in ``window``, as one run.

        Args:
            job: Name of the job without the problem's prefix.
            window: Whole partitions.
            assets: Only these assets of the job.
            tags: Further tags of the run.
            raise_on_error: Whether a failed step raises here.
        """
        name = self.declared.problem.name
        selection = [dg.AssetKey([name, asset]) for asset in assets] if assets else None
        return self.definitions.resolve_job_def(f"{name}_{job}").execute_in_process(
            instance=self.instance,
            tags={**range_tags(self.declared, window), **(tags or {})},
            asset_selection=selection,
            run_config={"loggers": {"console": {"config": {"log_level": self.log_level}}}},
            raise_on_error=raise_on_error,
        )


def whole_history(declared: DeclaredProblem) -> Window:
    """Return all partitions of a problem up to now."""
    keys = partitions_of(declared.problem)
    first = keys.get_first_partition_window()
    last = keys.get_last_partition_window()
    if first is None or last is None:
        message = (
            f"{declared.problem.name} has no partition yet: partitions.start is in the future."
        )
        raise dg.DagsterInvariantViolationError(message)
    return Window(plain_utc(first.start), plain_utc(last.end))
