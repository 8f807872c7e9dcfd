"""What is played, when."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ml_assets.core.problem import Problem, SimulatorSource
from ml_assets.core.window import Window

DAY = timedelta(days=1)
HISTORY_DAYS = 14
QUIET_DAYS = 2
WORN_DAYS = 4


@dataclass(frozen=True)
class Plan:
    """The days of a demonstration.

    Attributes:
        scenario: What happens to the plant, with its onset.
        history: Days the first model learns from.
        production: Days of traffic.
    """

    scenario: str
    history: Window
    production: Window

    @property
    def days(self) -> list[Window]:
        """The days of traffic."""
        count = (self.production.end - self.production.start) // DAY
        starts = [self.production.start + n * DAY for n in range(count)]
        return [Window(start, start + DAY) for start in starts]


def plan_for(problem: Problem, scenario: str) -> Plan:
    """Return the plan of a scenario: history, quiet traffic, then the change."""
    start = problem.partitions.start
    begins = start + HISTORY_DAYS * DAY
    named = scenario
    if scenario != "quiet" and "@" not in scenario:
        named = f"{scenario}@P{HISTORY_DAYS + QUIET_DAYS}D"
    return Plan(
        named,
        Window(start, begins),
        Window(begins, begins + (QUIET_DAYS + WORN_DAYS) * DAY),
    )


def with_scenario(problem: Problem, scenario: str) -> Problem:
    """Return the problem over a plant to which something else happens."""

    def changed(source: object) -> object:
        if isinstance(source, SimulatorSource):
            return source.model_copy(update={"scenario": scenario})
        return source

    label = problem.label
    own = label.source
    if own is not None:
        label = label.model_copy(
            update={"source": own.model_copy(update={"source": changed(own.source)})}
        )
    references = {
        name: reference.model_copy(update={"source": changed(reference.source)})
        for name, reference in problem.references.items()
    }
    return problem.model_copy(
        update={"source": changed(problem.source), "label": label, "references": references}
    )


def moment_text(moment: datetime) -> str:
    """Return a moment as the console shows it."""
    return f"{moment:%Y-%m-%d %H:%M}"
