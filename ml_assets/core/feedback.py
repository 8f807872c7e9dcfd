"""Feedback: the truth about a row that was answered, named by its request."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from ml_assets.core.problem.learning import Task
from ml_assets.core.request_rows import FLOATS, INTEGERS, MAX_FAULTS, TIMES, Fault, Refused

FEEDBACK = "feedback"
REQUEST_ID_PATTERN = r"^[A-Za-z0-9._-]{1,128}\Z"  # "$" would let a line end through
LONGEST_CLASS = 255
_AT = " - at `$"

RequestId = Annotated[str, msgspec.Meta(pattern=REQUEST_ID_PATTERN)]
Position = Annotated[int, msgspec.Meta(ge=0, le=INTEGERS[1])]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


@dataclass(frozen=True)
class Truth:
    """The truth about one answered row.

    Attributes:
        request_id: The request that asked about it.
        row: Position of the row in that request, from 0.
        truth: What was to be predicted.
        at: When the truth was established, if the caller says so.
    """

    request_id: str
    row: int
    truth: str | int | float | bool
    at: datetime | None


@dataclass(frozen=True)
class FeedbackSchema:
    """Decodes feedback for one release.

    A body is one object with ``request_id``, ``truth`` and, if they are not 0 and unknown, ``row``
    and ``at``; or ``{"feedback": [object, ...]}``. Nothing is converted and nothing is ignored.

    Attributes:
        task: What is predicted: a truth has its kind.
        classes: Classes that the model knows.
        max_rows: Objects in one request, at most.

    Example:
        >>> schema = FeedbackSchema("binary", ("busy", "idle"))
        >>> schema.decode(b'{"request_id": "a", "truth": "busy"}')[0].truth
        'busy'
        >>> schema.decode(b'{"request_id": "a", "truth": "bussy"}').faults[0].rule
        'class'
    """

    task: Task
    classes: Sequence[Any] = ()
    max_rows: int = 1000
    _many: msgspec.json.Decoder = field(init=False, repr=False, compare=False)
    _fields: msgspec.json.Decoder = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        one = msgspec.defstruct(
            "Feedback",
            [
                ("request_id", RequestId),
                ("truth", self.kind),
                ("row", Position, 0),
                ("at", Moment | None, None),
            ],
            kw_only=True,
            forbid_unknown_fields=True,
        )
        object.__setattr__(self, "_many", msgspec.json.Decoder(list[one]))
        object.__setattr__(self, "_fields", msgspec.json.Decoder(dict[str, msgspec.Raw]))

    @property
    def kind(self) -> Any:  # noqa: ANN401 - a type, or a union of types
        """The type of a truth: a number, or the type of the classes."""
        if self.task == "regression":
            return Annotated[float, msgspec.Meta(ge=FLOATS[0], le=FLOATS[1])]
        kinds = {type(one) for one in self.classes}
        if kinds == {str}:
            return Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_CLASS)]
        return kinds.pop() if len(kinds) == 1 else str

    def decode(self, body: bytes) -> tuple[Truth, ...] | Refused:
        """Return the truths of a request, or why they are refused: all of them or none."""
        try:
            found = self._many.decode(self._list(body))
        except msgspec.ValidationError as error:
            return Refused(422, (_explained(str(error)),))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            message = "The body is not JSON."
            return Refused(400, (Fault(None, None, "json", message),))
        if not 0 < len(found) <= self.max_rows:
            message = f"A request holds 1 to {self.max_rows} truths; found {len(found)}."
            return Refused(422, (Fault(None, FEEDBACK, "row_count", message),))
        truths = tuple(Truth(one.request_id, one.row, one.truth, one.at) for one in found)
        faults = tuple(
            fault for _, fault in zip(range(MAX_FAULTS), self._wrong(truths), strict=False)
        )
        return Refused(422, faults) if faults else truths

    def _list(self, body: bytes) -> bytes | msgspec.Raw:
        fields = self._fields.decode(body)
        if FEEDBACK not in fields:
            return b"[" + body + b"]"
        if len(fields) > 1:
            message = "Beside 'feedback' there is no other field"
            raise msgspec.ValidationError(message)
        return fields[FEEDBACK]

    def _wrong(self, truths: tuple[Truth, ...]) -> Iterator[Fault]:
        named = set()
        for n, one in enumerate(truths):
            if self.task == "binary" and one.truth not in self.classes:
                known = ", ".join(map(repr, self.classes))
                yield Fault(n, "truth", "class", f"'truth' is none of the classes {known}.")
            if one.at is not None and not TIMES[0] <= one.at < TIMES[1]:
                message = f"'at' is not between {TIMES[0].year} and {TIMES[1].year}."
                yield Fault(n, "at", "time_range", message)
            if (one.request_id, one.row) in named:
                message = "The same row stands twice in one request; say which truth holds."
                yield Fault(n, "row", "duplicate", message)
            named.add((one.request_id, one.row))


Rule = Literal["type", "required", "unknown_field", "pattern", "range", "time_zone"]


def _explained(text: str) -> Fault:
    """Turn a decoder's message into a fault; these messages hold names and types, no values."""
    reason, _, place = text.partition(_AT)
    row, column = None, None
    if place.startswith("["):
        number, _, rest = place[1:].partition("]")
        row, column = int(number), rest.strip(".`") or None
    if "field `" in reason:
        column = reason.rpartition("field `")[2].rstrip("`")
    return Fault(row, column, _rule(reason), f"{reason}.")


def _rule(reason: str) -> Rule:
    for sign, rule in _RULES.items():
        if sign in reason:
            return rule
    return "type"


_RULES: dict[str, Rule] = {
    "missing required": "required",
    "unknown field": "unknown_field",
    "no other field": "unknown_field",
    "matching regex": "pattern",
    "timezone": "time_zone",
    ">=": "range",
    "<=": "range",
    "length": "range",
}
