"""The description of ``POST /predict``: what the contract allows, as OpenAPI."""

from collections.abc import Mapping
from typing import Any

from bentos.predictor.body import ARROW_TYPE, KINDS
from ml_assets.core.assurer import Assurer
from ml_assets.core.conformal import ClassSets, NumberIntervals
from ml_assets.core.contract import Column, Kind
from ml_assets.core.prediction import Predictor
from ml_assets.core.request_rows import EVENT_TIME
from ml_assets.core.request_schema import RequestSchema

_KINDS: Mapping[Kind, dict[str, Any]] = {
    "float": {"type": "number"},
    "integer": {"type": "integer"},
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "datetime": {"type": "string", "format": "date-time"},
}
_TABLE: Mapping[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_REFUSALS = {
    "400": "The body is not JSON, or x-request-id is malformed.",
    "409": "The x-request-id was given to another request.",
    "413": "The body is too large, or becomes too large when it is read.",
    "415": "The body is of no kind that is read, or is compressed.",
    "422": "A row breaks the contract; 'faults' says which and where.",
    "503": "No release is loaded yet, too many requests wait, or the server is stopping.",
}


def describe(predictor: Predictor) -> dict[str, Any]:
    """Return the OpenAPI document of a release."""
    release, schema = predictor.release, predictor.schema
    row = row_schema(schema)
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": schema.max_rows}
    many = _object({"rows": rows}, required=["rows"])
    example = {"rows": list(predictor.golden.rows[:1])}
    body: dict[str, Any] = dict.fromkeys(KINDS, _TABLE)
    body["application/json"] = {"schema": {"oneOf": [many, row]}, "example": example}
    refused = {"application/json": {"schema": _refusal_schema()}}
    responses: dict[str, Any] = {
        code: {"description": text, "content": refused} for code, text in _REFUSALS.items()
    }
    answered: dict[str, Any] = {
        "application/json": {"schema": _answer_schema(predictor)},
        ARROW_TYPE: _TABLE,
    }
    responses["200"] = {"description": "One prediction a row, in order.", "content": answered}
    operation = {
        "operationId": "predict",
        "summary": f"Predict {release.target}",
        "requestBody": {"required": True, "content": body},
        "responses": responses,
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": release.problem, "version": release.version},
        "paths": {"/predict": {"post": operation}},
    }


def row_schema(schema: RequestSchema) -> dict[str, Any]:
    """Return the JSON schema of one row."""
    fields = {column.name: _column(column, schema) for column in schema.columns}
    fields[EVENT_TIME] = {
        **_KINDS["datetime"],
        "description": "When it happened, with an offset; by default now.",
    }
    required = [column.name for column in schema.columns if schema.requires(column)]
    return _object(fields, required=required)


def _column(column: Column, schema: RequestSchema) -> dict[str, Any]:
    described = dict(_KINDS[column.kind])
    if column.description:
        described["description"] = column.description
    if column.at_least is not None:
        described["minimum"] = column.at_least
    if column.at_most is not None:
        described["maximum"] = column.at_most
    if column.allowed is not None:
        listed = "enum" if schema.unknown_category == "reject" else "examples"
        described[listed] = list(column.allowed)
    if not schema.requires(column):
        described["type"] = [described["type"], "null"]
        if "enum" in described:
            described["enum"].append(None)
    return described


def _answer_schema(predictor: Predictor) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "request_id": {"type": "string"},
        "version": {
            "type": ["string", "null"],
            "description": "Version that answered; null if the rows were answered by several.",
        },
        "versions": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Only where several versions answered: which one answered each row.",
        },
        "revision": {"type": "integer"},
        "predictions": {"type": "array"},
    }
    if predictor.release.classes:
        shares = {"type": "object", "additionalProperties": {"type": "number"}}
        fields["probabilities"] = {"type": "array", "items": shares}
    fields |= _assurance_fields(predictor.assurer)
    return _object(fields, required=["request_id", "version", "revision", "predictions"])


def _assurance_fields(assurer: Assurer | None) -> dict[str, Any]:
    """Describe what stands beside the predictions."""
    if assurer is None:
        return {}
    fields: dict[str, Any] = {
        "intervention": {
            "type": "string",
            "description": "Only while an intervention changes what the model says: its name.",
        }
    }
    known = assurer.assurance
    match known.intervals:
        case NumberIntervals(coverage=coverage):
            bound = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
            fields["intervals"] = {
                "type": "array",
                "items": bound,
                "description": f"Lower and upper bound; {coverage:.0%} of truths lie between.",
            }
        case ClassSets(coverage=coverage):
            fields["sets"] = {
                "type": "array",
                "items": {"type": "array", "minItems": 1},
                "description": f"Classes that {coverage:.0%} of truths are among.",
            }
    if known.familiarity is not None:
        fields["unfamiliar"] = {
            "type": "array",
            "items": {"type": "boolean"},
            "description": "Whether a row is far from all that the model was trained on.",
        }
    return fields


def _refusal_schema() -> dict[str, Any]:
    text = {"type": ["string", "null"]}
    fault = _object(
        {"row": {"type": ["integer", "null"]}, "column": text, "rule": text, "message": text},
        required=["row", "column", "rule", "message"],
    )
    faults = {"type": "array", "items": fault}
    return _object({"error": {"type": "string"}, "faults": faults}, required=["error"])


def _object(fields: dict[str, Any], *, required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": fields,
        "required": required,
        "additionalProperties": False,
    }
