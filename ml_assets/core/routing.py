"""Which version answers a row: the same one for the same key, as long as the experiment lasts."""

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Literal

Variant = Literal["champion", "challenger", "shadow"]

_STEPS = 2**53  # what a double tells apart below 1


def routing_key(
    row: Mapping[str, object], *, columns: Sequence[str], keys: Sequence[str], request_id: str
) -> str:
    """Return what a row is routed by: declared columns, else the entity's keys, else the request.

    Args:
        row: The row as it was asked.
        columns: Declared routing columns; may be empty.
        keys: Columns that name the entity; may be empty.
        request_id: Name of the request.

    Example:
        >>> routing_key({"rig": "a", "x": 1}, columns=(), keys=("rig",), request_id="r1")
        '["a"]'
        >>> routing_key({"x": 1}, columns=(), keys=(), request_id="r1")
        '["r1"]'
    """
    values = [row[name] for name in (columns or keys)] or [request_id]
    return json.dumps(values, separators=(",", ":"), default=str)


def place(key: str, *, salt: str) -> float:
    """Return where a key stands in [0, 1): uniform over keys, independent for another salt.

    Args:
        key: What ``routing_key`` returns.
        salt: Name of the experiment.
    """
    # The length in front keeps ("ab", "c") and ("a", "bc") apart.
    digest = blake2b(f"{len(salt)}:{salt}{key}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / _STEPS


def variant_for(key: str, *, salt: str, share: float) -> Literal["champion", "challenger"]:
    """Return who answers a key.

    A key that the challenger answers at one share, it answers at every larger one.

    Args:
        key: What ``routing_key`` returns.
        salt: Name of the experiment.
        share: Part of the keys that the challenger answers, in [0, 1].

    Example:
        >>> variant_for('["a"]', salt="test", share=0.0), variant_for('["a"]', salt="t", share=1.0)
        ('champion', 'challenger')
    """
    if not 0 <= share <= 1:
        message = f"A share is in [0, 1]; found {share}."
        raise ValueError(message)
    return "challenger" if place(key, salt=salt) < share else "champion"
