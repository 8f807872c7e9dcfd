"""What one stage of training hands to the next: files by problem, cutoff and stage.

The files are content-addressed artefacts; this keeps the pointer to the newest ones of a stage.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from ml_assets.core.errors import ArtefactError
from ml_assets.storage.artefacts import Artefacts


@dataclass(frozen=True)
class StageOutputs:
    """Pointers from (problem, cutoff, stage) to artefacts.

    Attributes:
        root: Folder of the pointers.
        artefacts: Where the files are.
    """

    root: Path
    artefacts: Artefacts

    def put(self, problem: str, cutoff: datetime, stage: str, files: Mapping[str, bytes]) -> str:
        """Store the files of a stage and return their digest."""
        digest = self.artefacts.put_folder(files)
        pointer = self._pointer(problem, cutoff, stage)
        pointer.parent.mkdir(parents=True, exist_ok=True)
        draft = pointer.with_suffix(f".{uuid4().hex}.tmp")
        draft.write_text(json.dumps({"digest": digest}), "utf-8")
        draft.replace(pointer)
        return digest

    def folder(self, problem: str, cutoff: datetime, stage: str) -> Path:
        """Return the verified folder of a stage's files.

        Raises:
            ArtefactError: If the stage was not materialised at this cutoff.
        """
        pointer = self._pointer(problem, cutoff, stage)
        if not pointer.is_file():
            message = (
                f"{problem}/{stage} was not materialised at the cutoff {cutoff:%Y-%m-%d %H:%M}. "
                f"Materialise it for the same partitions as what reads it."
            )
            raise ArtefactError(message)
        return self._folder(pointer)

    def folders(self, problem: str, stage: str) -> list[Path]:
        """Return the verified folders of a stage's files, of all cutoffs."""
        pointers = sorted((self.root / problem).glob(f"*/{stage}.json"))
        return [self._folder(pointer) for pointer in pointers]

    def read_json(self, problem: str, cutoff: datetime, stage: str, name: str) -> Any:  # noqa: ANN401
        """Return one JSON file of a stage."""
        return json.loads((self.folder(problem, cutoff, stage) / name).read_bytes())

    def _folder(self, pointer: Path) -> Path:
        return self.artefacts.folder(json.loads(pointer.read_text("utf-8"))["digest"])

    def _pointer(self, problem: str, cutoff: datetime, stage: str) -> Path:
        return self.root / problem / f"{cutoff.astimezone(UTC):%Y%m%dT%H%M}" / f"{stage}.json"


def as_json(value: Any) -> bytes:  # noqa: ANN401
    """Return ``value`` as readable JSON; floats keep every digit."""
    return json.dumps(value, indent=1, ensure_ascii=False).encode()
