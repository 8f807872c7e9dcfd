"""What tests run in processes of their own: python -m ml_assets_tests.storage.other_process …"""

import sys
from datetime import UTC, datetime
from pathlib import Path

# Each task imports what it needs, so that it starts fast.


def main(task: str, where: str, *rest: str) -> None:
    match task:
        case "replace":
            from ml_assets.storage.lake import Lake  # noqa: PLC0415
            from ml_assets_tests.storage.lake_rows import one, rows  # noqa: PLC0415

            number, times = map(int, rest)
            for value in range(times):
                Lake(where).replace("plant/rows", rows(number, value=value), dates=one(number))
        case "record":
            from ml_assets.storage.ledger import Ledger  # noqa: PLC0415
            from ml_assets.storage.state import State  # noqa: PLC0415

            name, times = rest[0], int(rest[1])
            ledger = Ledger(State(where))
            for place in range(times):
                ledger.record(
                    "plant", "trained", f"{name}{place}", reason="test", at=datetime.now(UTC)
                )
        case "migrate":
            from ml_assets.storage.state import State  # noqa: PLC0415

            State(where).migrate()
        case "put":
            from ml_assets.storage.artefacts import Artefacts  # noqa: PLC0415

            files = {f"{number}.bin": bytes([number]) * 100_000 for number in range(20)}
            sys.stdout.write(Artefacts(Path(where)).put_folder(files))


if __name__ == "__main__":
    main(*sys.argv[1:])
