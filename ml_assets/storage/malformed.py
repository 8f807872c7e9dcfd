"""Requests that a server must refuse, made from one that it accepts."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ml_assets.core.contract import Contract
from ml_assets.core.release import Release
from ml_assets.core.request_rows import EVENT_TIME

JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Malformed:
    """A request with one thing wrong.

    Attributes:
        what: What is wrong with it.
        status: HTTP status it must be answered with.
        body: Its body.
        headers: Its headers.
        method: Its method.
    """

    what: str
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    method: str = "POST"


def malformed_requests(
    row: dict[str, Any], release: Release, contract: Contract
) -> Iterator[Malformed]:
    """Yield requests that must be refused.

    Args:
        row: A row that is accepted.
        release: The release that is asked.
        contract: Columns of its requests.
    """
    good = json.dumps(row).encode()
    yield Malformed("no body", 400, b"")
    yield Malformed("half a body", 400, good[:-2])
    yield Malformed("not UTF-8", 400, b'{"\xff": 1}')
    yield Malformed("nested without end", 400, b'{"rows": ' + b"[" * 20_000)
    yield Malformed("a list in place of an object", 422, b"[1, 2]")
    yield Malformed("no rows", 422, b'{"rows": []}')
    yield Malformed("rows that are no objects", 422, b'{"rows": [1]}')
    yield Malformed("an unknown field", 422, _with(row, no_such_column=1))
    yield Malformed("a field beside rows", 422, json.dumps({"rows": [row], "extra": 1}).encode())
    yield Malformed("the same row twice", 422, json.dumps({"rows": [row, row]}).encode())
    yield Malformed("a time without offset", 422, _with(row, **{EVENT_TIME: "2024-01-01T00:00:00"}))
    yield Malformed("a time that is none", 422, _with(row, **{EVENT_TIME: "yesterday"}))
    yield Malformed("another content type", 415, good, {"content-type": "text/plain"})
    yield Malformed("compressed", 415, good, {**JSON, "content-encoding": "gzip"})
    yield Malformed("a request id with spaces", 400, good, {**JSON, "x-request-id": "a b"})
    yield Malformed("too large", 413, b" " * (release.body_limit + 1))
    yield Malformed("another method", 405, b"", {}, "GET")
    for column in contract.columns:
        if column.name == EVENT_TIME:
            continue
        yield Malformed(f"an object in {column.name}", 422, _with(row, **{column.name: {}}))
        if not column.nullable or column.name in release.keys:
            without = {name: value for name, value in row.items() if name != column.name}
            yield Malformed(f"no {column.name}", 422, json.dumps(without).encode())
        if column.kind == "float":
            nan = _with(row, **{column.name: float("nan")})
            yield Malformed(f"NaN in {column.name}", 400, nan)
        if column.at_least is not None:
            low = column.at_least - 1
            yield Malformed(f"{column.name} too small", 422, _with(row, **{column.name: low}))


def _with(row: dict[str, Any], **changed: Any) -> bytes:  # noqa: ANN401
    return json.dumps({**row, **changed}).encode()
