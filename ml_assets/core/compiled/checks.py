"""What is checked of a compiled model's file, wherever it comes from."""

from collections.abc import Mapping, Sequence

import numpy as np

from ml_assets.core.errors import ArtefactError


def check(holds: bool, fault: str) -> None:
    """Raise an ArtefactError with the fault unless something holds."""
    if not holds:
        message = f"The compiled model is broken: {fault}. Compile it again from the model file."
        raise ArtefactError(message)


def array(arrays: Mapping[str, np.ndarray], name: str, dtype: str, dimensions: int) -> np.ndarray:
    """Return an array of the file that has to be there with a type and number of dimensions."""
    check(name in arrays, f"the array {name!r} is missing")
    found = arrays[name]
    check(
        found.dtype.str == dtype and found.ndim == dimensions,
        f"the array {name!r} is {found.dtype.str} with {found.ndim} dimensions",
    )
    return found


def within(positions: Sequence[int], count: int, what: str) -> None:
    """Raise an ArtefactError unless all positions are among so many."""
    check(all(0 <= one < count for one in positions), f"a {what} beyond the last of {count}")
