"""The pipeline behind BentoML's typed API."""

from typing import Literal

import bentoml
import joblib
import pandas as pd
from pydantic import create_model

NUMBERS = {f"x{n:02d}": (float, ...) for n in range(12)}
TEXTS = {"site": (Literal["north", "south", "west"], ...), "grade": (Literal[*"abcde"], ...)}
Row = create_model("Row", **NUMBERS, **TEXTS)


@bentoml.service(workers=1)
class Typed:
    def __init__(self) -> None:
        self.model = joblib.load("model.joblib")

    @bentoml.api
    def predict(self, row: Row, /) -> list[float]:
        return self.model.predict(pd.DataFrame([row.model_dump()])).tolist()

    @bentoml.api
    def predict_many(self, rows: list[Row]) -> list[float]:
        return self.model.predict(pd.DataFrame([row.model_dump() for row in rows])).tolist()
