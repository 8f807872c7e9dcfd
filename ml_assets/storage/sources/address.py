"""One file at an address: fetched into a cache where its content names it."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlsplit

import duckdb

from ml_assets.core.errors import SourceError
from ml_assets.core.problem import AddressSource
from ml_assets.storage.sources.download import PAUSES, fetch, redacted
from ml_assets.storage.sources.found import FoundFile
from ml_assets.storage.sources.read_file import read_file


@dataclass(frozen=True)
class OpenAddress:
    """The file at an address.

    Attributes:
        source: The declaration.
        cache: Folder of downloads.
        columns: Columns that the file must hold; all of them if empty.
        pauses: Seconds to wait before each further try.
    """

    source: AddressSource
    cache: Path
    columns: tuple[str, ...]
    pauses: tuple[float, ...] = PAUSES

    def found(self) -> list[FoundFile]:
        """Fetch the file as it is now; a file whose digest is declared is fetched only once.

        Raises:
            SourceError: If it cannot be fetched, or is not the file whose digest was declared.
        """
        declared = self.source.sha256
        if declared is not None and self._place(declared).is_file():
            kept = FoundFile.at(self._place(declared), name=redacted(self.source.url))
            if kept.digest == declared:
                return [kept]
        self.cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.cache) as folder:
            draft = Path(folder) / "draft"
            with draft.open("wb") as stream:
                digest = fetch(self.source.url, stream, pauses=self.pauses)
            self._check(digest)
            place = draft.replace(self._place(digest))  # nobody ever sees half of it
        return [FoundFile.at(place, name=redacted(self.source.url))]

    def read_file(
        self, connection: duckdb.DuckDBPyConnection, found: FoundFile, *, name: str
    ) -> None:
        """Create the table ``name`` from the file; see ``read_file.read_file``."""
        read_file(
            connection,
            found,
            self.source.format,
            name=name,
            columns=self.columns,
            renames=self.source.renames,
        )

    def _place(self, digest: str) -> Path:
        # The ending of the name tells the kind of file.
        name = PurePosixPath(unquote(urlsplit(self.source.url).path)).name
        return self.cache / f"{digest[:16]}-{name}"

    def _check(self, digest: str) -> None:
        if self.source.sha256 not in {None, digest}:
            message = (
                f"{redacted(self.source.url)} has the SHA-256 {digest}, but {self.source.sha256} "
                "was declared. Find out why it changed; then declare the new one in source.sha256."
            )
            raise SourceError(message)
