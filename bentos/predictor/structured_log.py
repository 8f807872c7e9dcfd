"""What the server says: one line of JSON each, without values of any request."""

import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType

import orjson

EVENT = "event"
FRAMES = 8


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON; ``extra={"event": {...}}`` becomes its fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, EVENT, {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["failure"] = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
            line["where"] = where(record.exc_info[2])
        return orjson.dumps(line, default=str).decode()


def where(trace: TracebackType | None) -> list[str]:
    """Return the places an error came through, the innermost last.

    Neither the message of an error nor a line of code is among them: both may hold values.
    """
    frames = traceback.extract_tb(trace)[-FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def speak_json() -> None:
    """Let everything that the predictor says go to the standard error as lines of JSON."""
    speaker = logging.getLogger("bentos.predictor")
    if speaker.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    speaker.addHandler(handler)
    speaker.setLevel(logging.INFO)
    speaker.propagate = False
