"""An array that grows at its end."""

import numpy as np


class GrowingArray:
    """Parts that are joined when somebody looks.

    Example:
        >>> grown = GrowingArray()
        >>> grown.append(np.array([1.0]))
        >>> grown.append(np.array([2.0, 3.0]))
        >>> grown.joined()
        array([1., 2., 3.])
    """

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def append(self, part: np.ndarray) -> None:
        """Add a part at the end."""
        self._parts.append(part)

    def joined(self) -> np.ndarray:
        """Return all parts as one array."""
        if len(self._parts) != 1:
            self._parts = [np.concatenate(self._parts) if self._parts else np.empty(0)]
        return self._parts[0]
