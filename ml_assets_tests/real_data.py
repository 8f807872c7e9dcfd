"""Where the real tables are, which are not shipped."""

import os
from pathlib import Path

DATA = Path(__file__).parents[1] / os.environ.get("ML_ASSETS_DATA_DIR", "data")
