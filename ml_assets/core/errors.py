"""Every error the project raises on purpose, drawn as a tree.

MLAssetsError
├── DeclarationError        the problem's folder is wrong
│   ├── ContractError       contract.py
│   └── FeatureSqlError     features.sql
├── SourceError             the data could not be read
│   └── UnreadableFileError one file is set aside; the others go on
├── DataError               the data was read and is not fit for use
├── LakeError               a table could not be read or written
├── LedgerError             the history of versions is broken or a move is not allowed
├── ArtefactError           a stored file is missing or is not what was stored
├── NotCompilable           a model is of a kind that only scikit-learn itself evaluates
├── DeliveryError           an alert did not reach people
└── ServingError            a release could not be packaged, started or asked
    └── SpoolError          what was asked or told could not be written down

Each message says what was wrong, where, what was expected and what to do.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class MLAssetsError(Exception):
    """Base of every error the project raises on purpose."""


class DeclarationError(MLAssetsError):
    """The declared problem cannot be used as it stands."""


class ContractError(DeclarationError):
    """The data contract and the declaration do not fit together."""


class FeatureSqlError(DeclarationError):
    """features.sql cannot be used as it stands."""


class SourceError(MLAssetsError):
    """The source could not be read."""


class UnreadableFileError(SourceError):
    """One file could not be read and is set aside."""


class DataError(MLAssetsError):
    """The data was read, but must not be used."""


class LakeError(MLAssetsError):
    """A table of the lake could not be read or written."""


class LedgerError(MLAssetsError):
    """The ledger is broken, or the move asked for is not allowed."""


class ArtefactError(MLAssetsError):
    """A stored artefact is missing or differs from what was stored."""


class NotCompilable(MLAssetsError):  # noqa: N818 - no fault: scikit-learn answers instead
    """A fitted model has a part that is not compiled; the text says which."""


class DeliveryError(MLAssetsError):
    """An alert could not be delivered by one channel; it is sent again later."""


class ServingError(MLAssetsError):
    """A release could not be packaged, started, or did not answer as it must."""


class SpoolError(ServingError):
    """What was asked or told could not be written down, so it must not be acknowledged."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Say which valid name was probably meant.

    Example:
        >>> nearest("atleast", ["at_least", "at_most"])
        "Did you mean 'at_least'?"
        >>> nearest("xyz", ["at_least", "at_most"])
        "Valid names: 'at_least', 'at_most'."
    """
    names = sorted(valid)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    return "Valid names: " + ", ".join(repr(known) for known in names) + "."
