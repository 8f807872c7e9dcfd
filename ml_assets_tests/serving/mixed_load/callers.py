"""The kinds of callers: each does one thing that callers do, sound or not."""

import json
import socket
import struct
import time
from collections import deque
from functools import partial
from itertools import cycle
from urllib.parse import urlsplit

import httpx

from bentos.predictor.body import ARROW_TYPE
from ml_assets.storage.malformed import Malformed
from ml_assets_tests.serving.mixed_load.asking import BACK_PRESSURE, COME_AGAIN, Asked, Caller
from ml_assets_tests.serving.mixed_load.rows import as_arrow, as_json, as_parquet

# A repeat is no older than so many requests: the server forgets rows of long ago.
REPEATABLE = 20
BURST = 100


class OneRow(Caller):
    """Asks for one row of one of its pumps; every second request is named by the server."""

    def once(self) -> None:
        pump = f"{self.name}-{self.random.integers(3)}"
        named = self.random.random() < 0.5
        self.predicted(self.asked("one row", pump, request_id=self.new_name() if named else None))


class ManyRows(Caller):
    """Asks for up to two hundred rows, several of them of one pump."""

    def once(self) -> None:
        count = int(self.random.integers(2, 200)) if self.random.random() < 0.1 else 8
        pumps = [f"{self.name}-{n % 5}" for n in range(count)]
        self.predicted(self.asked("many rows", *pumps, request_id=self.new_name()))


class Tables(Caller):
    """Sends Arrow and Parquet, and reads JSON and Arrow."""

    def once(self) -> None:
        arrow = self.random.random() < 0.5
        self.predicted(
            self.asked(
                "Arrow" if arrow else "Parquet",
                *[f"{self.name}-{n % 4}" for n in range(int(self.random.integers(1, 40)))],
                encode=as_arrow if arrow else as_parquet,
                request_id=self.new_name(),
                accept=ARROW_TYPE if self.random.random() < 0.5 else None,
            )
        )


class Repeating(Caller):
    """Sends the same request again, at once or much later, and another one under its name."""

    def __init__(self, *given, **more) -> None:
        super().__init__(*given, **more)
        self._sent_before: deque[Asked] = deque(maxlen=REPEATABLE)

    def once(self) -> None:
        asked = self.asked(
            "repeated", *[f"{self.name}-{n}" for n in range(2)], request_id=self.new_name()
        )
        if self.predicted(asked) is None:
            return
        self._sent_before.append(asked)
        if self.random.random() < 0.5:
            self.predicted(asked, is_repeat=True)
        older = self._sent_before[int(self.random.integers(len(self._sent_before)))]
        self.predicted(older, is_repeat=True)
        self._under_a_name_that_was_given()

    def _under_a_name_that_was_given(self) -> None:
        """Give a name to two requests: the second is refused, unless the name was forgotten."""
        name = self.new_name()
        first, second = (self.asked("repeated", f"{name}-{n}", request_id=name) for n in range(2))
        if self.predicted(first) is None:
            return
        send = partial(self.send, "conflict", "POST", "/predict", second.body, **second.headers)
        while (answer := send()) is None or answer.status_code in BACK_PRESSURE:
            time.sleep(COME_AGAIN)
        if answer.status_code == httpx.codes.OK:  # a restart came in between
            self.read(second, answer, is_repeat=True)
        elif answer.status_code != httpx.codes.CONFLICT:
            self.fault(f"a name that was given got {answer.status_code}: {answer.text}")


class Wrong(Caller):
    """Sends every kind of wrong request, about pumps that it asks about rightly too.

    Had a refused row been remembered, the next sound answer about its pump would be another one.
    """

    def __init__(self, *given, malformed, **more) -> None:
        super().__init__(*given, **more)
        self._malformed = malformed
        self._kinds = iter(())

    def once(self) -> None:
        pump = f"{self.name}-0"
        if self.random.random() < 0.3:
            self.predicted(self.asked("one row", pump, request_id=self.new_name()))
        wrong = next(self._kinds, None)
        if wrong is None:
            self._kinds = iter([*self._malformed(self.pumps.row(pump)), *self._others(pump)])
            return
        name = wrong.headers.get("x-request-id", self.new_name())
        self.journal.never_logged.add(name)
        headers = {**wrong.headers, "x-request-id": name}
        answer = self.send("wrong", wrong.method, "/predict", wrong.body, **headers)
        if answer is not None and answer.status_code not in {wrong.status, *BACK_PRESSURE}:
            self.fault(f"{wrong.what} got {answer.status_code}, not {wrong.status}: {answer.text}")
        elif answer is not None and answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
            self._must_say_where(wrong, answer)

    def _others(self, pump: str) -> list[Malformed]:
        row = self.pumps.row(pump)
        arrow, parquet = as_arrow([row]), as_parquet([row])
        good = as_json([row])[0]
        return [
            Malformed("half an Arrow stream", 400, arrow[0][:200], {"content-type": arrow[1]}),
            Malformed("half a Parquet file", 400, parquet[0][:200], {"content-type": parquet[1]}),
            Malformed("too many rows", 422, as_json([self.pumps.row(pump) for _ in range(201)])[0]),
            Malformed("no key", 401, good, {"authorization": ""}),
            Malformed("an unknown key", 401, good, {"authorization": f"Bearer {'x' * 47}"}),
        ]

    def _must_say_where(self, wrong: Malformed, answer: httpx.Response) -> None:
        told = answer.json()
        if not told.get("faults") or not all(fault["rule"] for fault in told["faults"]):
            self.fault(f"{wrong.what}: {answer.text[:200]} names no rule")


class Feedback(Caller):
    """Sends the truth of what was answered, corrects it, and sends what is none."""

    def once(self) -> None:
        known = self.journal.acknowledged
        if not known:
            return
        about = known[-1 - int(self.random.integers(min(len(known), 200)))]
        row = int(self.random.integers(len(about.rows)))
        self._sent += 1
        truth = self._sent / 8
        name = f"truth {truth}"
        body = json.dumps({"request_id": about.request_id, "row": row, "truth": truth}).encode()
        for _ in range(100):
            self.journal.attempt(name)
            answer = self._feedback(body)
            if answer is not None and answer.status_code == httpx.codes.ACCEPTED:
                self.journal.truths.append((about.request_id, row, truth))
                break
            if answer is not None and answer.status_code not in BACK_PRESSURE:
                self.fault(f"feedback got {answer.status_code}: {answer.text}")
                break
            time.sleep(COME_AGAIN)
        answer = self._feedback(b'{"request_id": "a b", "truth": 1.0}')
        if answer is not None and answer.status_code not in {422, *BACK_PRESSURE}:
            self.fault(f"wrong feedback got {answer.status_code}: {answer.text}")

    def _feedback(self, body: bytes) -> httpx.Response | None:
        return self.send(
            "feedback", "POST", "/feedback", body, **{"content-type": "application/json"}
        )


class Greedy(Caller):
    """Asks as fast as it can, until it is told to come again."""

    def once(self) -> None:
        for _ in range(BURST):
            asked = self.asked("greedy", f"{self.name}-0", request_id=self.new_name())
            answer = self.send("greedy", "POST", "/predict", asked.body, **asked.headers)
            if answer is not None and answer.status_code == httpx.codes.OK:
                self.read(asked, answer)
            elif self.predicted(asked) is None or self.stopped.is_set():
                break
        self.stopped.wait(5)


class Leaving(Caller):
    """Connects and goes away: at once, in the middle of a request, or before the answer."""

    def __init__(self, *given, **more) -> None:
        super().__init__(*given, **more)
        self._ways = cycle(range(6))

    def once(self) -> None:
        asked = self.asked("abandoned", f"{self.name}-{self._sent}", request_id=self.new_name())
        head = "\r\n".join(
            [
                "POST /predict HTTP/1.1",
                f"host: {urlsplit(self.url).netloc}",
                f"content-length: {len(asked.body)}",
                f"authorization: Bearer {self.secret}",
                *(f"{name}: {value}" for name, value in asked.headers.items()),
                "\r\n",
            ]
        ).encode()
        whole = head + asked.body
        parts = [
            [],
            [head],
            [whole[:-20]],
            [whole],
            [whole[:40], whole[40:]],
            [b"\x16\x03\x01 this is no HTTP\r\n\r\n"],
        ][next(self._ways)]
        self.journal.attempt(asked.request_id)
        self._send_and_leave(parts, at_once=self.random.random() < 0.5)
        self.stopped.wait(0.3)

    def _send_and_leave(self, parts: list[bytes], *, at_once: bool) -> None:
        address = urlsplit(self.url)
        try:
            with socket.create_connection((address.hostname, address.port), timeout=5) as opened:
                if at_once:  # a reset in place of a farewell
                    linger = struct.pack("ii", 1, 0)
                    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                for part in parts:
                    opened.sendall(part)
                    self.stopped.wait(0.05)
            self.journal.replies["abandoned", 0] += 1
        except OSError:
            pass  # nobody listens: it wanted to leave anyway


class Operator(Caller):
    """Looks at what the server says of itself."""

    PATHS = ("/livez", "/readyz", "/release", "/metrics", "/openapi.json", "/")

    def once(self) -> None:
        for path in self.PATHS:
            answer = self.send("operator", "GET", path)
            if answer is not None and answer.status_code not in (200, 503):
                self.fault(f"{path} got {answer.status_code}")
        self.stopped.wait(0.5)
