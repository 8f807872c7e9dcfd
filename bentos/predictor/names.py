"""Names of requests whose callers gave none."""

from collections.abc import Iterator
from os import urandom

_BYTES = 16
_AT_ONCE = 256  # a call of the operating system for each name would take longer than all the rest


def random_names() -> Iterator[str]:
    """Yield names that nobody can guess, 32 hexadecimal digits each. For one thread at a time."""
    while True:
        drawn = urandom(_BYTES * _AT_ONCE).hex()
        for start in range(0, len(drawn), 2 * _BYTES):
            yield drawn[start : start + 2 * _BYTES]
