"""Follows the adjustment beside the deployment: what is added to answers, and until when.

A file that cannot be believed changes nothing: what was in force stays, but never beyond its end.
"""

import logging
from datetime import UTC, datetime
from pathlib import Path

from bentos.predictor.serving import Serving
from ml_assets.core.adjustment import Adjustment
from ml_assets.core.errors import ServingError

logger = logging.getLogger(__name__)


class Adjusting:
    """Keeps ``serving`` adjusted as the file says.

    Args:
        serving: Holds the release that answers.
        place: The file; it need not be there. None if nothing is ever adjusted.
    """

    def __init__(self, serving: Serving, place: Path | None) -> None:
        self._serving = serving
        self._place = place
        self._seen: bytes | None = None
        self._newest: Adjustment | None = None

    def look(self) -> None:
        """Take on what is new, and let go what is over or about another release."""
        if self._place is None or self._serving.loaded is None:
            return
        self._read(self._place)
        wanted = self._wanted()
        if wanted != self._serving.adjustment:
            try:
                self._serving.adjust(wanted)
            except ServingError as error:
                self._newest = None
                self._complain(error)

    def _read(self, place: Path) -> None:
        try:
            text = place.read_bytes()
        except FileNotFoundError:
            text = None
        except OSError as error:
            self._complain(error)
            return
        if text == self._seen:
            return
        self._seen = text
        try:
            self._newest = None if text is None else self._believed(Adjustment.from_json(text))
        except ServingError as error:
            self._complain(error)
        else:
            self._serving.adjustment_error = None

    def _believed(self, found: Adjustment) -> Adjustment:
        known, served = self._newest, self._serving.loaded
        if known is not None and found != known and found.sequence <= known.sequence:
            message = (
                f"The adjustment has number {found.sequence}, and number {known.sequence} was "
                "taken on before. What is taken back gets a higher number too."
            )
            raise ServingError(message)
        if served is not None and found.problem != served.predictor.release.problem:
            message = f"The adjustment is about problem {found.problem!r}."
            raise ServingError(message)
        if served is not None and found.release == served.digest:
            served.check(found)
        return found

    def _wanted(self) -> Adjustment | None:
        """Return what is to be in force now."""
        found, served = self._newest, self._serving.loaded
        if found is None or served is None:
            return None
        return found.in_force(served.digest, datetime.now(UTC))

    def _complain(self, error: Exception) -> None:
        told = f"{type(error).__name__}: {error}"
        if told != self._serving.adjustment_error:
            logger.error("The adjustment is not believed; what was in force stays. %s", told)
        self._serving.adjustment_error = told
