"""Real servers on 127.0.0.1 that get alerts: one for webhooks, one for mail."""

import base64
import socketserver
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SECRET = "T0K3N"  # noqa: S105


@contextmanager
def running(server):
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def webhook() -> Iterator[ThreadingHTTPServer]:
    """A server that answers as told and keeps what it got."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            server.got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(server.answers.pop(0) if server.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.answers = [], []
    server.address = f"http://127.0.0.1:{server.server_port}/hooks/{SECRET}"
    with running(server):
        yield server


class Letterbox(socketserver.ThreadingTCPServer):
    """A small SMTP server (RFC 5321) that keeps letters and logins.

    Args:
        context: With it, STARTTLS is offered; without, nothing is encrypted.
        at_once: Whether the connection is encrypted from its first byte.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None, *, at_once: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.context, self.at_once = context, at_once
        self.letters: list[tuple[list[str], str]] = []
        self.logins: list[tuple[str, str, bool]] = []
        self.refusals: dict[str, str] = {}
        self.refused_receiver = ""

    @property
    def port(self) -> int:
        return self.server_address[1]


class Session(socketserver.StreamRequestHandler):
    server: Letterbox

    def setup(self) -> None:
        self.encrypted = self.server.at_once
        if self.encrypted:
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.request.close()  # the server knows only the socket that was wrapped

    def handle(self) -> None:
        self.say("220 here")
        self.receivers: list[str] = []
        while line := self.rfile.readline().decode():
            word = line.split(maxsplit=1)[0].upper() if line.strip() else ""
            if word in self.server.refusals:
                self.say(self.server.refusals[word])
            else:
                getattr(self, f"do_{word.lower()}", self.do_nothing)(line)
            if word == "QUIT":
                return

    def do_nothing(self, _: str) -> None:
        self.say("250 ok")

    def do_quit(self, _: str) -> None:
        self.say("221 bye")

    def do_ehlo(self, _: str) -> None:
        self.say("250-here")
        if self.server.context and not self.encrypted:
            self.say("250-STARTTLS")
        self.say("250 AUTH PLAIN")

    def do_starttls(self, _: str) -> None:
        self.say("220 go on")
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()
        self.encrypted = True

    def do_auth(self, line: str) -> None:
        _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
        self.server.logins.append((user, password, self.encrypted))
        self.say("235 welcome" if password == SECRET else f"535 not {password}")

    def do_rcpt(self, line: str) -> None:
        receiver = line.partition(":")[2].strip().strip("<>")
        if receiver == self.server.refused_receiver:
            self.say("550 nobody")
            return
        self.receivers.append(receiver)
        self.say("250 ok")

    def do_data(self, _: str) -> None:
        self.say("354 go on")
        text = ""
        while (part := self.rfile.readline().decode()) != ".\r\n":
            text += part.removeprefix(".")
        self.server.letters.append((self.receivers, text))
        self.say("250 kept")

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())
        self.wfile.flush()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return what a server for "localhost" shows, and the file of who must be trusted for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(tz=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    shown, secret = folder / "certificate.pem", folder / "key.pem"
    shown.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown, secret)
    return context, shown
