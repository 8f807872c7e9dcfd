"""Past labels in SQL: the newest known one, those of a fixed age, and rolling means.

Every one is joined by ASOF on the moment it became known, so that no feature is ahead of its time,
whatever the sampling. Nothing is looked up row by row.
"""

from collections.abc import Sequence
from datetime import timedelta

from ml_assets.core.drafting.plan import LabelPlan, Lag
from ml_assets.core.inference import Truth

UNITS = (("DAY", 86_400), ("HOUR", 3_600), ("MINUTE", 60), ("SECOND", 1))
POSITIVE_WORDS = ("1", "yes", "true", "up", "y", "t", "positive", "on", "fail", "failure")


def sql_interval(duration: timedelta) -> str:
    """Return a duration as a SQL interval in the largest unit that fits.

    Example:
        >>> sql_interval(timedelta(days=7)), sql_interval(timedelta(minutes=90))
        ('INTERVAL 7 DAY', 'INTERVAL 90 MINUTE')
    """
    microseconds = duration // timedelta(microseconds=1)
    for unit, seconds in UNITS:
        if microseconds % (seconds * 1_000_000) == 0:
            return f"INTERVAL {microseconds // (seconds * 1_000_000)} {unit}"
    return f"INTERVAL {microseconds} MICROSECOND"


class PastLabels:
    """The part of features.sql that reads labels.

    Args:
        truth: The label.
        plan: Which past labels to read.
        entity: Keys of the entity whose labels are read.
    """

    def __init__(self, truth: Truth, plan: LabelPlan, entity: Sequence[str]) -> None:
        self._truth = truth
        self._plan = plan
        self._entity = entity
        self._target = truth.column

    @property
    def _amount(self) -> str | None:
        """SQL of the label as an amount of which a mean makes sense."""
        match self._truth.task:
            case "regression":
                return "label"
            case "binary":
                return f"CAST(label = {self._literal(self._positive)} AS INTEGER)"
            case _:
                return None

    @property
    def _positive(self) -> str:
        words = [c for c in self._truth.classes if c.lower() in POSITIVE_WORDS]
        return words[0] if words else self._truth.classes[-1]

    def _literal(self, text: str) -> str:
        return "'" + text.replace("'", "''") + "'" if self._truth.kind == "string" else text

    @property
    def _amount_name(self) -> str:
        return self._target if self._truth.task == "regression" else f"{self._target}_share"

    def tables(self) -> str:
        """Return the WITH clause."""
        keys = "".join(f"        {key},\n" for key in self._entity)
        group = ", ".join([*self._entity, "known_at"])
        text = (
            "WITH known AS (\n"
            "    -- What became known at each moment; of several labels, that of the last event.\n"
            "    SELECT\n"
            f"{keys}"
            "        known_at,\n"
            f"        arg_max({self._target}, event_time) AS label,\n"
            "        max(event_time) AS labelled_at\n"
            "    FROM labels\n"
            f"    WHERE {self._target} IS NOT NULL\n"
            f"    GROUP BY {group}\n"
            "),\n"
        )
        return text + self._recent() + self._aged()

    def _recent(self) -> str:
        by = f"PARTITION BY {', '.join(self._entity)} " if self._entity else ""
        lines, windows = ["*"], []
        if self._amount is not None:
            for mean in self._plan.means:
                lines.append(f"avg({self._amount}) OVER past_{mean.name} AS mean_{mean.name}")
                length = sql_interval(mean.age)
                windows.append(
                    f"past_{mean.name} AS (\n            {by}ORDER BY known_at\n"
                    f"            RANGE BETWEEN {length} PRECEDING AND CURRENT ROW\n        )"
                )
        selected = ",\n".join(f"        {line}" for line in lines)
        clause = "    WINDOW\n" + ",\n".join(f"        {w}" for w in windows) + "\n"
        return (
            "recent AS (\n"
            "    -- Means over the labels that became known up to each of these moments.\n"
            f"    SELECT\n{selected}\n    FROM known\n{clause if windows else ''})"
        )

    def _aged(self) -> str:
        if not self._plan.lags:
            return ""
        keys = "".join(f"        {key},\n" for key in self._entity)
        group = ", ".join([*self._entity, "event_time"])
        return (
            ",\naged AS (\n"
            "    -- Labels by the moment of their event, to find those of a fixed age.\n"
            "    SELECT\n"
            f"{keys}"
            "        event_time,\n"
            f"        arg_max({self._target}, known_at) AS label,\n"
            "        max(known_at) AS known_at\n"
            "    FROM labels\n"
            f"    WHERE {self._target} IS NOT NULL\n"
            f"    GROUP BY {group}\n"
            ")"
        )

    def columns(self) -> list[str]:
        """Return the features."""
        newest = f"latest.labelled_at >= r.event_time - {sql_interval(self._plan.reach)}"
        found = [self._feature(newest, "latest.label", f"{self._target}_latest", as_label=True)]
        if self._amount is not None:
            found += [
                self._feature(
                    newest, f"latest.mean_{mean.name}", f"{self._amount_name}_mean_{mean.name}"
                )
                for mean in self._plan.means
            ]
        found += [
            self._feature(
                self._usable(lag),
                f"ago_{lag.name}.label",
                f"{self._target}_{lag.name}_ago",
                as_label=True,
            )
            for lag in self._plan.lags
        ]
        return found

    def _feature(self, condition: str, value: str, name: str, *, as_label: bool = False) -> str:
        # Classes that are numbers have no order that a model should see.
        classes = as_label and self._truth.task == "multiclass" and self._truth.kind != "string"
        value = f"CAST({value} AS VARCHAR)" if classes else value
        return f"CASE WHEN {condition}\n        THEN {value} END AS {name}"

    def _usable(self, lag: Lag) -> str:
        table = f"ago_{lag.name}"
        oldest = sql_interval(lag.age + self._plan.tolerance)
        known = f"{table}.known_at <= r.event_time"
        return f"{known}\n        AND {table}.event_time > r.event_time - {oldest}"

    def joins(self) -> str:
        """Return the joins."""
        joins = [self._join("recent", "latest", "latest.known_at <= r.event_time")]
        joins += [
            self._join(
                "aged",
                f"ago_{lag.name}",
                f"ago_{lag.name}.event_time <= r.event_time - {sql_interval(lag.age)}",
            )
            for lag in self._plan.lags
        ]
        return "\n".join(joins)

    def _join(self, table: str, alias: str, moment: str) -> str:
        same = "".join(f"{alias}.{key} = r.{key} AND " for key in self._entity)
        return f"ASOF LEFT JOIN {table} AS {alias}\n    ON {same}{moment}"
