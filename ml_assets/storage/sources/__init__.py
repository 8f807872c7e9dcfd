"""Where rows come from: one file a kind of source.

Two shapes: a ``FileSource`` finds files and reads each of them; a ``RowSource`` is asked for the
rows of a window. Both yield the same table: one text column for each wanted column, under the
contract's name, and ``_row``, ``_fault`` and ``_text``.
"""

from collections.abc import Iterable
from pathlib import Path

from ml_assets.core.problem import (
    AddressSource,
    FilesSource,
    SimulatorSource,
    Source,
    SqlSource,
)
from ml_assets.storage.sources.address import OpenAddress
from ml_assets.storage.sources.database import OpenDatabase
from ml_assets.storage.sources.files import OpenFiles
from ml_assets.storage.sources.found import FoundFile, rows_digest
from ml_assets.storage.sources.simulator import OpenSimulator

FileSource = OpenFiles | OpenAddress
RowSource = OpenDatabase | OpenSimulator

__all__ = ["FileSource", "FoundFile", "RowSource", "open_source", "rows_digest"]


def open_source(
    source: Source, *, root: Path, cache: Path, columns: Iterable[str] = ()
) -> FileSource | RowSource:
    """Return the reader of a declared source; nothing is read yet.

    Args:
        source: The declaration.
        root: Where relative paths start.
        cache: Folder of downloads.
        columns: Columns the source must hold, under the contract's names (see
            ``core.reading.source_columns``); without any, all are read under their own.
    """
    wanted = tuple(columns)
    match source:
        case FilesSource():
            return OpenFiles(source, root=root, columns=wanted)
        case AddressSource():
            return OpenAddress(source, cache=cache, columns=wanted)
        case SqlSource():
            return OpenDatabase(source, root=root, columns=wanted)
        case SimulatorSource():
            return OpenSimulator(source, columns=wanted)
