"""Rows that land as files in a folder."""

from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

import duckdb

from ml_assets.core.errors import SourceError
from ml_assets.core.problem import FilesSource
from ml_assets.storage.sources.found import FoundFile
from ml_assets.storage.sources.read_file import read_file


@dataclass(frozen=True)
class OpenFiles:
    """The files of a path or a glob.

    Attributes:
        source: The declaration.
        root: Where a relative path starts.
        columns: Columns that each file must hold; all of them if empty.
    """

    source: FilesSource
    root: Path
    columns: tuple[str, ...]

    def found(self) -> list[FoundFile]:
        """Return the files that are there now, in the order of their names.

        Raises:
            SourceError: If the file, or the folder where the glob starts, does not exist.
        """
        self._check_place()
        matches = sorted(glob(self.source.path, root_dir=self.root, recursive=True))  # noqa: PTH207  a glob may be absolute
        paths = [self.root / match for match in matches]
        return [FoundFile.at(path) for path in paths if path.is_file()]

    def read_file(
        self, connection: duckdb.DuckDBPyConnection, found: FoundFile, *, name: str
    ) -> None:
        """Create the table ``name`` from a file; see ``read_file.read_file``."""
        read_file(
            connection,
            found,
            self.source.format,
            name=name,
            columns=self.columns,
            renames=self.source.renames,
        )

    def _check_place(self) -> None:
        path = Path(self.source.path)
        if not has_magic(self.source.path):
            if not (self.root / path).is_file():
                message = (
                    f"source.path {self.source.path!r} names no file below {self.root}. Put the "
                    "file there, or name the files of a folder by a glob such as data/*.csv."
                )
                raise SourceError(message)
            return
        folder = self.root.joinpath(*path.parts[: _leading(path.parts)])
        if not folder.is_dir():
            message = f"source.path {self.source.path!r} starts at {folder}, which does not exist."
            raise SourceError(message)


def _leading(parts: tuple[str, ...]) -> int:
    """Return how many parts of a path stand before its first wildcard."""
    return next(place for place, part in enumerate(parts) if has_magic(part))
