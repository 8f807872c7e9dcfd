"""What the newest drift report says, in one small file beside the deployment, for servers to tell.

The server takes no part in monitoring. It only shows the newest verdict among its own figures, so
that one scrape tells both how it answers and whether what it answers can still be believed.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from ml_assets.core.errors import ServingError

NOTICE_FILE = "drift.json"
STATES = ("quiet", "insufficient", "drift")


@dataclass(frozen=True)
class DriftNotice:
    """The verdict on the newest window of one version.

    Attributes:
        version: Version that answered in the window.
        state: "quiet", "insufficient" or "drift".
        window_end: Where the window ends.
        effect: Largest change of a column in the window, in standard deviations; None untested.
    """

    version: str
    state: str
    window_end: datetime
    effect: float | None

    def to_json(self) -> str:
        """Return the text of the file."""
        values: dict[str, Any] = {**asdict(self), "window_end": self.window_end.isoformat()}
        return json.dumps(values, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Build the notice that ``to_json`` described.

        Raises:
            ServingError: If the text is not one.
        """
        try:
            values = json.loads(text)
            state, end, effect = values["state"], values["window_end"], values["effect"]
            notice = cls(
                str(values["version"]),
                state,
                datetime.fromisoformat(end),
                None if effect is None else float(effect),
            )
        except (KeyError, TypeError, ValueError) as error:
            message = (
                f"{NOTICE_FILE} is no verdict on drift; the next drift report writes it again."
            )
            raise ServingError(message) from error
        if state not in STATES:
            message = f"{NOTICE_FILE} has a state that is none of {STATES}."
            raise ServingError(message)
        return notice
