"""Production traffic: the day's readings, asked over HTTP in the order of their time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import httpx

from ml_assets.core.errors import ServingError
from ml_assets.core.feature_query import quoted
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.placement import place
from ml_assets.storage.workspace import Workspace

OK = 200


@dataclass(frozen=True)
class Sent:
    """What came of a day's traffic."""

    requests: int
    rows: int
    versions: tuple[str, ...]


def send_day(
    client: httpx.Client, workspace: Workspace, declared: DeclaredProblem, day: Window
) -> Sent:
    """Ask the server for a prediction of every reading of a day, an hour a request.

    Raises:
        ServingError: If an answer is not 200.
    """
    versions: set[str] = set()
    batches = _hourly_rows(workspace, declared, day)
    for rows in batches:
        answer = client.post("/predict", json={"rows": rows})
        if answer.status_code != OK:
            message = f"The server answered {answer.status_code} to a reading: {answer.text[:500]}"
            raise ServingError(message)
        versions.add(answer.json()["version"])
    return Sent(len(batches), sum(map(len, batches)), tuple(sorted(versions)))


def _hourly_rows(
    workspace: Workspace, declared: DeclaredProblem, day: Window
) -> list[list[dict[str, Any]]]:
    contract = declared.contract.contract.without(*declared.hidden)
    columns = ", ".join(quoted(name) for name in contract.names)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        workspace.lake.register(connection, table_name(declared, "validated_data"), name="rows")
        found = connection.sql(
            f"SELECT event_time, {columns} FROM rows "
            f"WHERE {place(declared.problem, day).where} ORDER BY event_time"
        ).to_arrow_table()
    hours: dict[datetime, list[dict[str, Any]]] = {}
    for row in found.to_pylist():
        hour = row["event_time"].replace(minute=0, second=0, microsecond=0)
        hours.setdefault(hour, []).append({**row, "event_time": row["event_time"].isoformat()})
    return list(hours.values())
