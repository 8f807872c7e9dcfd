"""Lines of the prediction log while two versions share traffic: who answered, and how."""

from collections.abc import Mapping
from datetime import datetime

import orjson

from bentos.predictor.log import Logged, log_lines
from bentos.predictor.traffic import Asked, Failure
from ml_assets.core.answering import Answers
from ml_assets.core.routing import Variant


def variant_lines(
    asked: Asked,
    answers: Answers | Failure,
    *,
    keys: list[str],
    variant: Variant,
    seconds: float,
    version: str,
    revision: int,
    at: datetime,
) -> list[bytes]:
    """Return one line a row of a request, as one version answered it.

    Args:
        asked: The request.
        answers: What the version says; a failure gives lines without a prediction.
        keys: What each row was routed by.
        variant: Part of the version.
        seconds: Time that it computed for the pass of this request.
        version: Its name.
        revision: Revision of the deployment.
        at: When it answered.
    """
    named = {"request_id": asked.request_id, "at": at, "version": version, "revision": revision}
    if isinstance(answers, Failure):
        lines = _without_prediction(asked, named)
        error = answers.error
    else:
        # The lines themselves are those of a champion alone; what is added stands at their end.
        logged = Logged(asked.request_id, asked.rows, answers)
        lines = log_lines([logged], version=version, revision=revision, at=at).splitlines()
        error = None
    told = {"variant": variant, "latency_ms": round(seconds * 1e3, 3), "error": error}
    return [
        line[:-1] + b"," + orjson.dumps({**told, "routing_key": key})[1:] + b"\n"
        for line, key in zip(lines, keys, strict=True)
    ]


def _without_prediction(asked: Asked, named: Mapping[str, object]) -> list[bytes]:
    nothing = dict.fromkeys(("features", "prediction", "probabilities"))
    return [
        orjson.dumps(
            {**named, "row": n, "event_time": time, "inputs": asked.rows.row(n), **nothing}
        )
        for n, time in enumerate(asked.rows.event_times)
    ]
