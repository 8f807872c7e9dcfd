"""The description of everything around predict: keys, feedback, probes, figures."""

from collections.abc import Mapping
from typing import Any

from bentos.predictor.body import ARROW_TYPE, KINDS
from ml_assets.core.feedback import FEEDBACK
from ml_assets.core.release import Release
from ml_assets.core.request_rows import FLOATS

Schema = dict[str, Any]
SECURITY: Schema = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key as Authorization: Bearer.",
    },
    "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}
# Without any key a server answers its own machine; so a key is one of the ways, not the only one.
KEY_OR_LOCAL: list[Schema] = [{"bearer": []}, {"header": []}, {}]
NO_KEY: list[Schema] = [{}]
_REQUEST_ID = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"}
_REFUSED = {
    "401": "A key is needed, and none that is usable was given.",
    "403": "The key does not open this.",
    "500": "The server failed; its log says why.",
    "503": "The server cannot answer now: no release, unreadable keys, or too much to do.",
}
_SENT = {
    "400": "The body cannot be read, or x-request-id is malformed.",
    "413": "The body is too large.",
    "415": "The body is not declared as one of the kinds that are read.",
    "422": "The content breaks a rule; 'faults' says which and where.",
    "429": "The caller asks too often; retry-after says how many seconds to wait.",
}


def with_entrance(document: Schema, release: Release) -> Schema:
    """Return the document of a release with all that is around predict.

    Args:
        document: What ``describe`` returned.
        release: The release that it describes.
    """
    predict = document["paths"]["/predict"]["post"]
    predict["security"] = KEY_OR_LOCAL
    predict["parameters"] = [_request_id_parameter(), _trace_parameter()]
    known = {code: predict["responses"][code] for code in predict["responses"]}
    conflict = {"409": "Another request had this x-request-id."}
    predict["responses"] = {**_refusals({**_SENT, **_REFUSED, **conflict}), **known}
    binary = {"schema": {"type": "string", "format": "binary"}}
    for kind in KINDS:
        predict["requestBody"]["content"].setdefault(kind, binary)
    predict["responses"]["200"]["content"].setdefault(ARROW_TYPE, binary)
    paths = {
        **document["paths"],
        "/feedback": {"post": _feedback(release)},
        "/release": {"get": _get("release", "What serves.", _release_example())},
        "/livez": {"get": _probe("livez", "Whether the process lives.", {"alive": True})},
        "/readyz": {"get": _ready()},
        "/metrics": {"get": _metrics()},
    }
    for path in paths.values():
        for operation in path.values():
            _name_headers(operation)
    return {**document, "paths": paths, "components": {"securitySchemes": SECURITY}}


def _feedback(release: Release) -> Schema:
    one = {
        "type": "object",
        "properties": {
            "request_id": {**_REQUEST_ID, "description": "The request that asked about the row."},
            "row": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1, "default": 0},
            "truth": {**_truth(release), "description": f"The true {release.target}."},
            "at": {
                "type": ["string", "null"],
                "format": "date-time",
                "description": "When the truth was established, with an offset.",
            },
        },
        "required": ["request_id", "truth"],
        "additionalProperties": False,
    }
    many = {
        "type": "object",
        "properties": {
            FEEDBACK: {"type": "array", "items": one, "minItems": 1, "maxItems": release.max_rows}
        },
        "required": [FEEDBACK],
        "additionalProperties": False,
    }
    truth = release.classes[0] if release.classes else 1.5
    example = {FEEDBACK: [{"request_id": "order-4711", "row": 0, "truth": truth}]}
    taken = {
        "type": "object",
        "properties": {"taken": {"type": "integer", "minimum": 1}},
        "required": ["taken"],
        "additionalProperties": False,
    }
    return {
        "operationId": "feedback",
        "summary": "Tell the truth about rows that were answered",
        "security": KEY_OR_LOCAL,
        "parameters": [_trace_parameter()],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"oneOf": [many, one]}, "example": example}},
        },
        "responses": {
            "202": _json("How many truths were written down.", taken, {"taken": 1}),
            **_refusals({**_SENT, **_REFUSED}),
        },
    }


def _truth(release: Release) -> Schema:
    if release.task == "regression":
        return {"type": "number", "minimum": FLOATS[0], "maximum": FLOATS[1]}
    if release.task == "binary":
        return {"enum": list(release.classes)}
    match release.classes[0]:
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer"}
        case float():
            return {"type": "number"}
        case _:
            return {"type": "string", "minLength": 1, "maxLength": 255}


def _ready() -> Schema:
    yes = {"ready": True, "version": "2024-01-01", "revision": 3}
    no = {"ready": False, "failed": False, "reason": "A release is being loaded."}
    operation = _probe("readyz", "Whether a release that has proven itself answers.", yes)
    answer = _json("Nothing answers yet, and why.", {"type": "object"}, no)
    return {**operation, "responses": {**operation["responses"], "503": answer}}


def _metrics() -> Schema:
    figures = {"schema": {"type": "string"}, "example": "ml_assets_ready 1.0\n"}
    operation = _get("metrics", "The server's figures, as Prometheus reads them.", {})
    answer = {"description": "All figures.", "content": {"text/plain": figures}}
    return {**operation, "responses": {**operation["responses"], "200": answer}}


def _release_example() -> Schema:
    traffic = {
        "mode": "canary",
        "version": "2024-02-01",
        "share": 0.1,
        "experiment": "plant/2024-02-01/3",
        "routing_key": [],
        "takes_part": True,
        "error": None,
    }
    served = {"ready": True, "problem": "plant", "version": "2024-01-01", "revision": 3}
    return {**served, "traffic": traffic, "error": None}


def _get(name: str, summary: str, example: Schema) -> Schema:
    return {
        "operationId": name,
        "summary": summary,
        "security": KEY_OR_LOCAL,
        "responses": {"200": _json(summary, {"type": "object"}, example), **_refusals(_REFUSED)},
    }


def _probe(name: str, summary: str, example: Schema) -> Schema:
    return {
        "operationId": name,
        "summary": summary,
        "security": NO_KEY,
        "responses": {"200": _json(summary, {"type": "object"}, example)},
    }


def _refusals(told: Mapping[str, str]) -> Schema:
    error = {"error": {"type": "string"}}
    fault = {
        "type": "object",
        "properties": {
            "row": {"type": ["integer", "null"]},
            **{name: {"type": ["string", "null"]} for name in ("column", "rule", "message")},
        },
        "required": ["row", "column", "rule", "message"],
        "additionalProperties": False,
    }
    faults = {"faults": {"type": "array", "items": fault}}
    schema = {
        "type": "object",
        "properties": {**error, **faults},
        "required": ["error"],
        "additionalProperties": False,
    }
    return {code: _json(text, schema, {"error": text}) for code, text in told.items()}


def _json(text: str, schema: Schema, example: Schema) -> Schema:
    return {
        "description": text,
        "content": {"application/json": {"schema": schema, "example": example}},
    }


def _name_headers(operation: Schema) -> None:
    """Say which headers every answer has."""
    named = {
        "x-request-id": {
            "description": "Name of the request: the caller's, or a new one.",
            "schema": _REQUEST_ID,
        }
    }
    wait = {"retry-after": {"description": "Seconds to wait.", "schema": {"type": "string"}}}
    for code, answer in operation["responses"].items():
        answer["headers"] = {**named, **(wait if code == "429" else {})}


def _request_id_parameter() -> Schema:
    return {
        "name": "x-request-id",
        "in": "header",
        "required": False,
        "schema": _REQUEST_ID,
        "description": "Name of the request: it stands in the log, and feedback refers to it.",
        "example": "order-4711",
    }


def _trace_parameter() -> Schema:
    return {
        "name": "traceparent",
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": "W3C trace context; the answer carries the same trace.",
    }
