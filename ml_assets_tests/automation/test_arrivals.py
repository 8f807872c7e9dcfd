"""New content is seen by a look, and every partition that it touches is asked for."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import duckdb
import pytest
import sqlalchemy as sa

from ml_assets.assets.stage import window_of_run
from ml_assets.core.problem import AddressSource
from ml_assets.storage.landing import land_files, rows_stream
from ml_assets_tests.journeys.test_automation import tick
from ml_assets_tests.journeys.test_files import DAYS, loads, runner, write

__all__ = ["runner"]


@pytest.fixture
def server():
    """A real server of one file that knows conditional requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            headers, content = self.server.headers, self.server.content
            tag, time = headers.get("ETag"), headers.get("Last-Modified")
            known = tag is not None and self.headers.get("If-None-Match") == tag
            known |= time is not None and self.headers.get("If-Modified-Since") == time
            status = self.server.failure or (304 if known else 200)
            self.server.statuses.append(status)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content) if status == 200 else 0))
            self.end_headers()
            if status == 200:
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.statuses, server.failure = [], None
    server.headers = {"ETag": '"one"'}
    server.content = b"meter,at,load,demand\nm1,2024-01-02,1,2\n"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def at(runner, url, sha256=None):
    source = AddressSource(kind="address", url=url, sha256=sha256)
    problem = runner.declared.problem.model_copy(update={"source": source})
    return replace(runner, declared=replace(runner.declared, problem=problem))


def url_of(server):
    return f"http://ann:secret@127.0.0.1:{server.server_port}/meters.csv?token=hidden"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"ETag": '"one"'}, {"ETag": '"two"'}),
        (
            {"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"},
            {"Last-Modified": "Tue, 02 Jan 2024 00:00:00 GMT"},
        ),
    ],
    ids=["ETag", "Last-Modified"],
)
def test_new_content_is_landed_once_and_then_its_partitions_are_made(runner, server, before, after):
    runner, server.headers = at(runner, url_of(server)), before
    first = tick(runner, "new_content_sensor")
    assert [request.job_name for request in first.run_requests] == ["meters_landing"]
    assert "hidden" not in first.cursor + first.run_requests[0].run_key
    assert tick(runner, "new_content_sensor", first.cursor).run_requests == []
    assert server.statuses == [200, 304]

    job = runner.definitions.resolve_job_def("meters_landing")
    assert job.execute_in_process(instance=runner.instance).success
    landed = tick(runner, "new_content_sensor", first.cursor)
    [request] = landed.run_requests
    assert request.job_name == "meters_data"
    assert request.tags["dagster/asset_partition_range_start"] == "2024-01-02"

    server.headers = after
    [changed] = tick(runner, "new_content_sensor", landed.cursor).run_requests
    assert changed.run_key not in {r.run_key for r in first.run_requests}


@pytest.mark.parametrize(
    ("failure", "headers", "reason"),
    [(503, {"ETag": '"two"'}, "503"), (None, {}, "neither ETag nor Last-Modified")],
    ids=["no answer", "no mark"],
)
def test_an_address_that_does_not_tell_is_a_reason_to_wait(
    runner, server, failure, headers, reason
):
    runner = at(runner, url_of(server))
    first = tick(runner, "new_content_sensor")
    server.failure, server.headers = failure, headers
    silent = tick(runner, "new_content_sensor", first.cursor)
    assert silent.run_requests == []
    assert reason in silent.skip_message
    assert "hidden" not in silent.skip_message
    assert "secret" not in silent.skip_message
    server.failure, server.headers = None, {"ETag": '"two"'}
    assert len(tick(runner, "new_content_sensor", first.cursor).run_requests) == 1


def test_a_file_of_an_object_store_is_looked_at_there(runner, tmp_path):
    place = tmp_path / "meters.csv"
    runner = at(runner, place.as_uri())
    assert "could not be fetched" in tick(runner, "new_content_sensor").skip_message
    place.write_text("meter,at,load,demand\nm1,2024-01-02,1,2\n")
    first = tick(runner, "new_content_sensor")
    assert [request.job_name for request in first.run_requests] == ["meters_landing"]
    assert tick(runner, "new_content_sensor", first.cursor).run_requests == []
    place.write_text("meter,at,load,demand\nm1,2024-01-02,1,2\nm1,2024-01-03,1,2\n")
    assert len(tick(runner, "new_content_sensor", first.cursor).run_requests) == 1


def test_a_declared_content_has_nothing_to_look_for(runner, server):
    runner = at(runner, url_of(server), sha256="0" * 64)
    assert "meters_new_content_sensor" not in {s.name for s in runner.definitions.sensors}


def test_new_content_takes_the_place_of_the_old(runner, server):
    runner = at(runner, url_of(server))
    runner.run("data", DAYS)
    assert loads(runner) == [("m1", 2, 1.0)]
    server.content, server.headers = b"meter,at,load,demand\nm2,2024-01-03,7,2\n", {"ETag": '"two"'}
    runner.run("data", DAYS)
    assert loads(runner) == [("m2", 3, 7.0)]


NOW = datetime(2024, 2, 1, tzinfo=UTC)


def land(runner, now=NOW):
    with duckdb.connect() as connection:
        stream = rows_stream(runner.declared)
        return land_files(connection, runner.workspace, runner.declared, stream, now=now)


def redone(runner, requests):
    """Return the windows that are asked for again because of what landed."""
    return [
        window_of_run(runner.declared.problem, request.tags)
        for request in requests
        if request.job_name == "meters_data"
    ]


def test_a_look_in_the_middle_of_a_landing_loses_none_of_its_files(runner, tmp_path):
    write(tmp_path, "a.csv", "m1,2024-01-01,1,2")
    write(tmp_path, "b.csv", "m1,2024-01-03,1,2")
    requests, cursors, looking = [], [None], []

    def look(_=None):
        # A look ends a transaction too, of its own.
        if not looking:
            looking.append(True)
            result = tick(runner, "new_content_sensor", cursors[-1])
            requests.extend(result.run_requests)
            cursors.append(result.cursor)
            looking.clear()

    engine = runner.workspace.state.engine
    sa.event.listen(engine, "commit", look)
    land(runner)
    sa.event.remove(engine, "commit", look)
    look()
    [window] = redone(runner, requests)
    assert window == DAYS


def test_a_clock_that_was_set_back_hides_nothing(runner, tmp_path):
    write(tmp_path, "a.csv", "m1,2024-01-01,1,2")
    land(runner)
    cursor = tick(runner, "new_content_sensor").cursor
    write(tmp_path, "b.csv", "m1,2024-01-03,1,2")
    land(runner, now=NOW - timedelta(days=1))
    [window] = redone(runner, tick(runner, "new_content_sensor", cursor).run_requests)
    assert window.start == datetime(2024, 1, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("content", "left"),
    [
        ("meter,at,load,demand\nm1,2024-01-01,1,2\n", [("m1", 1, 1.0)]),
        ("meter,at,load,demand\nm1,2024-01-02,1,2\n", [("m1", 2, 1.0)]),
        ("", []),
    ],
    ids=["a day less", "moved", "unreadable"],
)
def test_rows_that_a_new_content_lacks_go_everywhere(runner, tmp_path, content, left):
    write(tmp_path, "a.csv", "m1,2024-01-01,1,2", "m1,2024-01-03,3,4")
    runner.run("data", DAYS)
    cursor = tick(runner, "new_content_sensor").cursor
    (tmp_path / "in" / "a.csv").write_text(content)
    land(runner)
    result = tick(runner, "new_content_sensor", cursor)
    [window] = redone(runner, result.run_requests)
    runner.run("data", window)
    assert loads(runner) == left
    for table in ("raw_data", "labels", "feature_table"):
        assert len(runner.workspace.lake.read(f"meters/{table}")) == len(left)
    again = tick(runner, "new_content_sensor", result.cursor)
    assert redone(runner, again.run_requests) == []


def test_a_file_that_never_could_be_read_is_looked_at_once(runner, tmp_path):
    (tmp_path / "in" / "a.csv").write_text("")
    cursor = tick(runner, "new_content_sensor").cursor
    land(runner)
    result = tick(runner, "new_content_sensor", cursor)
    assert result.run_requests == []
    assert result.cursor != cursor
