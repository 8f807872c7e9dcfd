"""What a file says about itself: kinds, time, entities, pace, target, limits. No disk, no clock.

Texts go in, one :class:`Inference` comes out. Questions about many rows are asked of an in-memory
DuckDB, because that engine will read the file later: what it can parse here, it parses there.
"""

from ml_assets.core.inference.infer import Asked, infer
from ml_assets.core.inference.values import Doubt, Inference, Inferred, Pace, Role, Truth

__all__ = ["Asked", "Doubt", "Inference", "Inferred", "Pace", "Role", "Truth", "infer"]
