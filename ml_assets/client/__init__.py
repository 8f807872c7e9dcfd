"""Asks a served model over HTTP. Needs httpx and the standard library; pandas only for frames.

Example:
    >>> from ml_assets.client import Client
    >>> with Client("https://models.example.org", api_key="...") as client:  # doctest: +SKIP
    ...     client.predict([{"pump": "north", "load": 40.0, "starts": 3}]).predictions
"""

from ml_assets.client.asking import AsyncClient, Client
from ml_assets.client.errors import (
    ClientError,
    Fault,
    Refused,
    ServerFailed,
    Unauthorised,
    Unavailable,
    UnexpectedAnswer,
    Unsendable,
)
from ml_assets.client.predictions import Answer, Predictions, ServedRelease
from ml_assets.client.retrying import Retry

__all__ = [
    "Answer",
    "AsyncClient",
    "Client",
    "ClientError",
    "Fault",
    "Predictions",
    "Refused",
    "Retry",
    "ServedRelease",
    "ServerFailed",
    "Unauthorised",
    "Unavailable",
    "UnexpectedAnswer",
    "Unsendable",
]
