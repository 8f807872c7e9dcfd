import logging
import threading
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import duckdb
import pytest

from ml_assets.core.errors import SourceError
from ml_assets.core.problem import AddressSource
from ml_assets.storage.sources.address import OpenAddress

CONTENT = b"at,x\n2024-01-01,1\n"


@pytest.fixture
def server():
    """A real server on this machine; ``answers`` are given in turn, the last one for good."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append((self.path, self.headers.get("Authorization")))
            answers = self.server.answers
            status, content, length = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.answers = [], [(200, CONTENT, len(CONTENT))]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def opened(url, cache, digest=None):
    source = AddressSource(kind="address", url=url, sha256=digest)
    return OpenAddress(source, cache / "cache", ("at", "x"), pauses=(0.01, 0.01, 0.01))


def url_of(server, path="/data.csv", user=""):
    return f"http://{user}127.0.0.1:{server.server_address[1]}{path}"


def kept(cache):
    return sorted(path.name for path in (cache / "cache").iterdir())


def test_file_is_kept_under_the_name_of_its_content(server, tmp_path):
    source = opened(url_of(server), tmp_path)
    [found] = source.found()
    assert found.path.read_bytes() == CONTENT
    assert found.digest == sha256(CONTENT).hexdigest()
    server.answers = [(200, b"at,x\n", 5)]
    [changed] = source.found()
    assert changed.path.read_bytes() == b"at,x\n"
    assert found.path.read_bytes() == CONTENT
    assert kept(tmp_path) == sorted([found.path.name, changed.path.name])
    with duckdb.connect() as connection:
        source.read_file(connection, found, name="landed")
        assert connection.execute('SELECT "at", x FROM landed').fetchall() == [("2024-01-01", "1")]


@pytest.mark.parametrize(
    "first", [(503, b"", 0), (429, b"", 0), (200, CONTENT[:5], len(CONTENT))], ids=str
)
def test_passing_failure_is_tried_again(server, tmp_path, first):
    server.answers = [first, first, (200, CONTENT, len(CONTENT))]
    [found] = opened(url_of(server), tmp_path).found()
    assert found.path.read_bytes() == CONTENT
    assert len(server.asked) == 3


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (403, 1), (500, 4)])
def test_lasting_failure_is_told_and_leaves_nothing(server, tmp_path, status, tries):
    server.answers = [(status, b"", 0)]
    with pytest.raises(SourceError, match=f"answered {status}"):
        opened(url_of(server), tmp_path).found()
    assert len(server.asked) == tries
    assert kept(tmp_path) == []


def test_no_secret_is_told_or_logged(server, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    url = url_of(server, "/data.csv?token=hidden", "ann:secret@")
    opened(url, tmp_path).found()
    assert server.asked[0][0].endswith("token=hidden")
    assert server.asked[0][1].startswith("Basic ")
    server.answers = [(404, b"", 0)]
    with pytest.raises(SourceError) as caught:
        opened(url, tmp_path).found()
    told = caplog.text + str(caught.value)
    assert "data.csv" in told
    assert "HTTP Request" in caplog.text
    assert not any(word in told for word in ("secret", "hidden", "ann"))
    assert caught.value.__suppress_context__


def test_declared_digest_is_checked_and_spares_a_second_download(server, tmp_path):
    source = opened(url_of(server), tmp_path, sha256(CONTENT).hexdigest())
    assert source.found() == source.found()
    assert len(server.asked) == 1
    source.found()[0].path.write_bytes(b"spoilt")
    assert source.found()[0].path.read_bytes() == CONTENT
    with pytest.raises(SourceError, match="was declared"):
        opened(url_of(server), tmp_path, "0" * 64).found()
    assert len(kept(tmp_path)) == 1


def test_server_that_is_not_there_is_told(tmp_path):
    with pytest.raises(SourceError, match=r"http://127\.0\.0\.1:9/a\.csv could not be fetched"):
        opened("http://127.0.0.1:9/a.csv", tmp_path).found()


def test_store_is_read_like_a_server(tmp_path):
    (tmp_path / "a.csv").write_bytes(CONTENT)
    [found] = opened(f"file://{tmp_path}/a.csv", tmp_path).found()
    assert found.path.read_bytes() == CONTENT
    with pytest.raises(SourceError, match="FileNotFoundError"):
        opened(f"file://{tmp_path}/b.csv", tmp_path).found()
    with pytest.raises(SourceError, match="not a usable address") as caught:
        opened("s3://key:secret@bucket/a.csv?no_such_option=1", tmp_path).found()
    assert "secret" not in str(caught.value)
