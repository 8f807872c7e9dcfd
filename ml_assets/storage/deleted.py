"""What was deleted, to say it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Deleted:
    """Files that are gone.

    Attributes:
        files: How many there were.
        size: Their bytes; None where that is not known, as in an object store.
    """

    files: int
    size: int | None

    def __str__(self) -> str:
        size = "" if self.size is None else f", {self.size / 1e6:,.1f} MB"
        return f"{self.files:,} files{size}"
