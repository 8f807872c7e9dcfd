"""A process that scores files until all are done, and may kill itself in the midst of it.

Arguments: home, source, target, and at which file operation in the target the process dies.
"""

import os
import signal
import sys
from pathlib import Path

from ml_assets.storage.stream_scoring import StreamScoring
from ml_assets.storage.workspace import Workspace


def main(home: str, source: str, target: str, dies_at: str) -> None:
    scoring = StreamScoring(
        Workspace(Path(home)), "pumps", source=Path(source), target=Path(target), settle_seconds=0
    )
    operations = iter(range(1, 1_000_000))

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event not in {"open", "os.rename", "os.remove"}:
            return
        if str(arguments[0]).startswith(target) and next(operations) == int(dies_at):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    scoring.score_new()


if __name__ == "__main__":
    main(*sys.argv[1:])
