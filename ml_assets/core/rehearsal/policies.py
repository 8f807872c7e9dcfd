"""The policies that are compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ml_assets.core.errors import DeclarationError, nearest
from ml_assets.core.problem import Problem, Retraining, Trigger
from ml_assets.core.window import Window

NEVER, ALWAYS, SCHEDULED, DECLARED = "never", "always", "scheduled", "declared"
ON_DRIFT, ON_ESTIMATE, ON_AUDIT = "on_drift", "on_estimated_loss", "on_audit"
NAMES = (NEVER, ALWAYS, SCHEDULED, ON_DRIFT, ON_ESTIMATE, ON_AUDIT, DECLARED)
DAY, WEEK = timedelta(days=1), timedelta(days=7)
# What makes a policy the declared one, under ``retraining``.
AS_DECLARED = {
    NEVER: "triggers: []",
    SCHEDULED: 'cron: "0 4 * * 1", triggers: []',
    ON_DRIFT: "triggers: [drift]",
    ON_ESTIMATE: "triggers: [estimated]",
    ON_AUDIT: "triggers: [audited]",
}
UNLIMITED = 1_000_000


@dataclass(frozen=True)
class Policy:
    """One way of retraining.

    Attributes:
        name: What it is called in tables.
        retraining: What may cause a retraining, and what bounds it.
        ticks: Moments of regular retraining, in order of time.
        asks_gates: Whether a new model has to pass the gates; one that need not is of the first
            champion's configuration.
        watches: Whether drift is looked for.
    """

    name: str
    retraining: Retraining
    ticks: tuple[datetime, ...] = ()
    asks_gates: bool = True
    watches: bool = True

    def tick_between(self, start: datetime, end: datetime) -> datetime | None:
        """Return the newest tick after ``start``, up to and with ``end``."""
        due = [tick for tick in self.ticks if start < tick <= end]
        return due[-1] if due else None

    def next_tick(self, now: datetime) -> datetime | None:
        """Return the first tick after ``now``."""
        return next((tick for tick in self.ticks if tick > now), None)


def _daily(steps: Sequence[Window]) -> tuple[datetime, ...]:
    """Return the ends of partitions, of shorter ones than a day one a day."""
    ends: list[datetime] = []
    for step in steps:
        if not ends or step.end - ends[-1] >= DAY:
            ends.append(step.end)
    return tuple(ends)


def compared_policies(
    problem: Problem,
    steps: Sequence[Window],
    *,
    names: Sequence[str] = NAMES,
    regular: Sequence[datetime] = (),
) -> list[Policy]:
    """Return policies by name.

    Args:
        problem: Declares a policy of its own.
        steps: The partitions that are lived through.
        names: Of the policies, see ``NAMES``.
        regular: Moments at which the declared ``retraining.cron`` is due.

    Raises:
        DeclarationError: If a name is unknown.
    """
    declared = problem.retraining
    weekly = tuple(
        steps[0].start + n * WEEK for n in range(1, (steps[-1].end - steps[0].start) // WEEK + 1)
    )
    silent = declared.model_copy(
        update={"triggers": (), "max_per_day": UNLIMITED, "max_per_month": UNLIMITED}
    )

    def on(trigger: Trigger) -> Retraining:
        return declared.model_copy(update={"triggers": (trigger,)})

    made = {
        NEVER: Policy(NEVER, silent),
        ALWAYS: Policy(ALWAYS, silent, _daily(steps), asks_gates=False, watches=False),
        SCHEDULED: Policy(SCHEDULED, silent, tuple(regular) or weekly),
        ON_DRIFT: Policy(ON_DRIFT, on("drift")),
        ON_ESTIMATE: Policy(ON_ESTIMATE, on("estimated")),
        ON_AUDIT: Policy(ON_AUDIT, on("audited")),
        DECLARED: Policy(DECLARED, declared, tuple(regular)),
    }
    for name in names:
        if name not in made:
            message = f"There is no policy {name!r}. {nearest(name, made)}"
            raise DeclarationError(message)
    return [made[name] for name in names]
