"""The judgement: every answer, every line of the log, every failure."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from ml_assets.core.routing import routing_key, variant_for
from ml_assets.core.window import Window
from ml_assets.storage import feedback_spool, prediction_spool
from ml_assets.storage.served_skew import replay_log
from ml_assets_tests.serving.mixed_load.journal import Acknowledged, Journal, Row
from ml_assets_tests.serving.mixed_load.moves import Restart, Swaps
from ml_assets_tests.serving.mixed_load.rows import BEGIN, Clock
from ml_assets_tests.serving.mixed_load.scene import PROBLEM, Scene
from ml_assets_tests.serving.mixed_load.truth import Identity, expected_predictions
from ml_assets_tests.serving.releases import RELEASE

DECLARED = frozenset({503, 504})
HEARD = frozenset({"champion", "challenger"})
EXAMPLES = 5


@dataclass
class Judgement:
    """What was found.

    Attributes:
        faults: Whatever must not be, by its kind: how often, and some examples.
        figures: What happened otherwise, by its name.
    """

    faults: Counter[str] = field(default_factory=Counter)
    examples: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    figures: dict[str, object] = field(default_factory=dict)

    def fault(self, kind: str, example: object) -> None:
        self.faults[kind] += 1
        if len(self.examples[kind]) < EXAMPLES:
            self.examples[kind].append(str(example)[:400])


@dataclass(frozen=True)
class Line:
    """A line of the log, as its readers see it."""

    version: str
    variant: str
    prediction: float | None
    error: str | None
    identity: Identity


def judge(
    scene: Scene, journal: Journal, swaps: Swaps, restarts: Sequence[Restart], clock: Clock
) -> Judgement:
    """Judge a load that is over; its server has ended."""
    found = Judgement()
    for text in journal.faults:
        found.fault("unexpected answer", text)
    _judge_connections(found, journal, restarts)
    for (kind, status), count in journal.replies.items():
        if status >= 500 and status not in DECLARED:
            found.faults[f"{status} on {kind}"] += count
    rows = (row for one in journal.acknowledged for row in one.rows)
    expected = expected_predictions(rows, scene.releases)
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        log = _read_log(connection, scene.workspace.spool)
        _judge_answers(found, journal, swaps, expected, log)
        _judge_log(found, journal, log, expected)
        _judge_times_written(found, journal, connection)
        _judge_feedback(found, journal, connection, scene.workspace.spool)
        window = Window(BEGIN, clock.now())
        skew = replay_log(connection, scene.workspace, PROBLEM, window)
    found.figures["rows replayed by verify-skew"] = skew.compared
    for difference in skew.worst:
        found.fault("served otherwise than the batch (verify-skew)", difference)
    return found


def _judge_connections(found: Judgement, journal: Journal, restarts: Sequence[Restart]) -> None:
    for one in journal.broken:
        if not any(one.ended >= r.began and one.began <= r.ended for r in restarts):
            found.fault("connection failed without a restart", one)


def _read_log(
    connection: duckdb.DuckDBPyConnection, spool: Path
) -> dict[tuple[str, int], list[Line]]:
    files = [path for hour in prediction_spool.hours(spool, PROBLEM) for path in hour.files]
    prediction_spool.read(connection, files, "log")
    prediction_spool.read_all(connection, files, "lines")
    found: dict[tuple[str, int], list[Line]] = defaultdict(list)
    for request_id, row, version, variant, prediction, error, pump, moment in connection.execute(
        "SELECT request_id, \"row\", version, variant, (prediction ->> '$')::DOUBLE, error, "
        "inputs ->> '$.pump', event_time FROM log"
    ).fetchall():
        identity = (pump, moment.isoformat())
        line = Line(version, variant, prediction, error, identity)
        found[request_id, row].append(line)
    return found


def _expected_version(swaps: Swaps, one: Acknowledged, row: Row) -> str:
    deployment = swaps.deployments[one.revision]
    if deployment.challenger is None:
        return deployment.champion_version
    key = routing_key(row, columns=(), keys=RELEASE.keys, request_id=one.request_id)
    who = variant_for(key, salt=deployment.experiment, share=deployment.share)
    challenged = who == "challenger"
    return deployment.challenger.version if challenged else deployment.champion_version


def _judge_answers(
    found: Judgement,
    journal: Journal,
    swaps: Swaps,
    expected: dict[Identity, dict[str, float]],
    log: dict[tuple[str, int], list[Line]],
) -> None:
    stood_in = 0
    for one in journal.acknowledged:
        if one.revision not in swaps.deployments:
            found.fault("unknown revision", one)
            continue
        for n, row in enumerate(one.rows):
            version = one.versions[n]
            if version != (routed := _expected_version(swaps, one, row)):
                lines = log.get((one.request_id, n), ())
                if any(line.version == routed and line.error for line in lines):
                    stood_in += 1
                else:
                    found.fault("answered by another version", (one.request_id, n, version, routed))
            told = one.predictions[n]
            right = expected[row["pump"], row["event_time"]].get(version)
            if told != right:
                text = f"{one.request_id} row {n}: {version} said {told!r}, not {right!r}"
                found.fault("wrong answer", text)
    found.figures["rows acknowledged"] = sum(len(one.rows) for one in journal.acknowledged)
    found.figures["rows in which the champion stood in"] = stood_in


def _judge_log(
    found: Judgement,
    journal: Journal,
    log: dict[tuple[str, int], list[Line]],
    expected: dict[Identity, dict[str, float]],
) -> None:
    last = {one.request_id: one for one in journal.acknowledged}
    for one in last.values():
        for n, row in enumerate(one.rows):
            lines = [
                line
                for line in log.get((one.request_id, n), ())
                if line.variant in HEARD and line.error is None
            ]
            told = (one.versions[n], one.predictions[n], (row["pump"], row["event_time"]))
            if not lines:
                found.fault("lost row of the log", (one.request_id, n))
            elif len(lines) > 1:
                found.fault("doubled row of the log", (one.request_id, n, lines))
            elif (lines[0].version, lines[0].prediction, lines[0].identity) != told:
                found.fault("row of the log that says otherwise", (one.request_id, n, lines, told))
    shadows = 0
    for (request_id, n), lines in log.items():
        if request_id in journal.never_logged:
            found.fault("refused and yet in the log", (request_id, n))
        for line in lines:
            if line.variant == "shadow" and line.identity in expected:
                shadows += 1
                if line.prediction != expected[line.identity][line.version]:
                    found.fault("wrong answer in the shadow", (request_id, n, line))
    found.figures["rows of the shadow"] = shadows
    found.figures["requests in the log that nobody saw answered"] = len(
        {request_id for request_id, _ in log} - set(last)
    )


def _judge_times_written(
    found: Judgement, journal: Journal, connection: duckdb.DuckDBPyConnection
) -> None:
    """A row is written no more often than it was sent."""
    again = 0
    for request_id, row, variant, count in connection.execute(
        'SELECT request_id, "row", variant, count(*) FROM lines GROUP BY ALL HAVING count(*) > 1'
    ).fetchall():
        again += 1
        if count > max(1, journal.attempts[request_id]):
            found.fault("written more often than sent", (request_id, row, variant, count))
    found.figures["rows written again after a restart"] = again


def _judge_feedback(
    found: Judgement, journal: Journal, connection: duckdb.DuckDBPyConnection, spool: Path
) -> None:
    feedback_spool.read(connection, feedback_spool.segments(spool, PROBLEM), "feedback")
    kept = Counter(
        (request_id, row, float(truth))
        for request_id, row, truth in connection.execute(
            'SELECT request_id, "row", truth FROM feedback'
        ).fetchall()
    )
    for truth in journal.truths:
        sent = journal.attempts[f"truth {truth[-1]}"]
        if not 1 <= kept[truth] <= sent:
            found.fault("truth lost or doubled", (truth, kept[truth], sent))
    found.figures["truths taken"] = len(journal.truths)


def failures_told(folder: Path) -> list[str]:
    """Return the failures in the server's own logs."""
    found = []
    for path in sorted(folder.glob("server-*.log")):
        for text in path.read_text("utf-8", errors="replace").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                if text.startswith("Traceback"):
                    found.append(f"{path.name}: {text}")
                continue
            if isinstance(line, dict) and line.get("level") in ("error", "critical"):
                found.append(f"{path.name}: {text}")
    return found
