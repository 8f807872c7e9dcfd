"""The pipeline behind FastAPI, as its documentation shows it."""

from typing import Literal

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import create_model

MODEL = joblib.load("model.joblib")
NUMBERS = {f"x{n:02d}": (float, ...) for n in range(12)}
TEXTS = {"site": (Literal["north", "south", "west"], ...), "grade": (Literal[*"abcde"], ...)}
Row = create_model("Row", **NUMBERS, **TEXTS)
Rows = create_model("Rows", rows=(list[Row], ...))
app = FastAPI()


@app.post("/predict")
def predict(row: Row) -> dict[str, list[float]]:
    return {"predictions": MODEL.predict(pd.DataFrame([row.model_dump()])).tolist()}


@app.post("/predict_many")
def predict_many(rows: Rows) -> dict[str, list[float]]:
    frame = pd.DataFrame([row.model_dump() for row in rows.rows])
    return {"predictions": MODEL.predict(frame).tolist()}
