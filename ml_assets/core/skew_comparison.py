"""What was served beside the batch, column by column, to the bit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ml_assets.core.feature_query import SIGNIFICANT_BITS
from ml_assets.core.fitted_model import FittedModel
from ml_assets.core.golden import GoldenRows
from ml_assets.core.release import GOLDEN_FILE, MODEL_FILE
from ml_assets.core.replay import ARRIVAL, Replay
from ml_assets.core.skew import LEFT_OUT, PREDICTION, WORST, Difference, SkewReport, worst_of

SERVED = "served."
# A sum depends on the order in which its floats are added: rows whose difference is no larger are
# asked again as the server was asked, each request alone. Where terms cancel, nothing is left but
# this difference.
ONE_STEP = 2.0 ** (1 - SIGNIFICANT_BITS)
MOST_ASKED_AGAIN = 200


@dataclass(frozen=True)
class _Column:
    """One column on both sides, shape (n,) each, and where they differ."""

    name: str
    served: np.ndarray
    replayed: np.ndarray
    differs: np.ndarray

    def nearly(self) -> np.ndarray:
        """Return where two numbers differ by no more than the order of a sum may do."""
        if object in (self.served.dtype, self.replayed.dtype):
            return np.zeros(len(self.differs), dtype=bool)
        largest = np.nanmax(np.abs(self.served), initial=0.0, where=np.isfinite(self.served))
        with np.errstate(invalid="ignore"):
            return self.differs & (np.abs(self.served - self.replayed) <= ONE_STEP * largest)


def compare(
    claims: pd.DataFrame, found: pd.DataFrame, replay: Replay, files: Mapping[str, bytes]
) -> SkewReport:
    """Return how served rows differ from the batch.

    Args:
        claims: What was served: ``request_id``, ``row``, ``event_time``, ``version``,
            ``prediction``, ``probabilities``, ``_arrival``, and each feature as ``served.<name>``.
        found: What the replay gave for these rows: the features, with ``_arrival``.
        replay: The replay; rows that differ in their last place are asked again, alone.
        files: The release.

    Returns:
        The report, without the number of rows in the log.
    """
    batch = found.set_index(ARRIVAL).reindex(claims[ARRIVAL])
    left_out = ~claims[ARRIVAL].isin(found[ARRIVAL]).to_numpy()
    inputs = replay.release.inputs
    columns = _features(claims, batch, inputs)
    again = _to_ask_again(columns, left_out)
    for position in again:
        arrival = claims[ARRIVAL].iloc[position]
        alone = replay.features_of_request(int(arrival)).set_index(ARRIVAL)
        batch.loc[arrival, list(inputs)] = alone.loc[arrival, list(inputs)]
    if len(again):
        columns = _features(claims, batch, inputs)
    columns.append(_predictions(claims, batch, left_out, replay, files))
    return _report(claims, columns, left_out, asked_again=len(again))


def _features(claims: pd.DataFrame, batch: pd.DataFrame, names: tuple[str, ...]) -> list[_Column]:
    found = []
    for name in names:
        served, replayed = claims[SERVED + name].to_numpy(), batch[name].to_numpy()
        if replayed.dtype == object:
            served, replayed = _texts(served), _texts(replayed)
            differs = served != replayed
        else:
            served = served.astype(np.float64)
            differs = ~((served == replayed) | (np.isnan(served) & np.isnan(replayed)))
        found.append(_Column(name, served, replayed, differs))
    return found


def _texts(values: np.ndarray) -> np.ndarray:
    texts = values.astype(object)
    texts[pd.isna(values)] = None
    return texts


def _to_ask_again(columns: list[_Column], left_out: np.ndarray) -> np.ndarray:
    """Return the positions of rows whose differences may all come from the order of sums."""
    differs = np.zeros(len(left_out), dtype=bool)
    more = left_out.copy()
    for column in columns:
        differs |= column.differs
        more |= column.differs & ~column.nearly()
    return np.flatnonzero(differs & ~more)[:MOST_ASKED_AGAIN]


def _predictions(
    claims: pd.DataFrame,
    batch: pd.DataFrame,
    left_out: np.ndarray,
    replay: Replay,
    files: Mapping[str, bytes],
) -> _Column:
    """Return the predictions that scikit-learn gives for the batch's features."""
    release = replay.release
    names = release.feature_names
    known = batch[~left_out]
    served = claims["prediction"].to_numpy()
    replayed = np.full(len(claims), None, dtype=object)
    differs = np.zeros(len(claims), dtype=bool)
    if len(known):
        values = {name: known[name].to_numpy() for name in names.all}
        model = FittedModel(files[MODEL_FILE], release.task)
        found = model.predict(names.values(values, len(known)))
        tolerance = GoldenRows.from_json(files[GOLDEN_FILE]).tolerance
        replayed[~left_out] = found.values.tolist()
        if release.task == "regression":
            differs[~left_out] = _apart(served[~left_out].astype(float), found.values, tolerance)
        else:
            differs[~left_out] = served[~left_out] != np.array([_text(v) for v in found.values])
    return _Column(PREDICTION, served, replayed, differs)


def _text(value: Any) -> str:  # noqa: ANN401
    """Return a class as the log holds it."""
    plain = value.item() if isinstance(value, np.generic) else value
    return str(plain).lower() if isinstance(plain, bool) else str(plain)


def _apart(served: np.ndarray, replayed: np.ndarray, tolerance: float) -> np.ndarray:
    """Return where numbers differ by more than one row and many may differ for this model."""
    if tolerance == 0:
        return served != replayed
    scale = np.maximum(np.maximum(np.abs(served), np.abs(replayed)), 1.0)
    return ~(np.abs(served - replayed) <= tolerance * scale)


def _report(
    claims: pd.DataFrame, columns: list[_Column], left_out: np.ndarray, *, asked_again: int
) -> SkewReport:
    different = left_out.copy()
    by_column = {LEFT_OUT: int(left_out.sum())} if left_out.any() else {}
    worst = [
        _difference(claims, position, LEFT_OUT, "answered", "left out")
        for position in np.flatnonzero(left_out)[:WORST]
    ]
    for column in columns:
        differs = column.differs & ~left_out
        different |= differs
        if differs.any():
            by_column[column.name] = int(differs.sum())
            worst += _worst(claims, column, np.flatnonzero(differs))
    return SkewReport(
        compared=len(claims),
        values=len(claims) * len(columns),
        different_rows=int(different.sum()),
        by_column=by_column,
        worst=worst_of(worst),
        asked_again=asked_again,
    )


def _worst(claims: pd.DataFrame, column: _Column, positions: np.ndarray) -> list[Difference]:
    found = [
        _difference(
            claims, position, column.name, column.served[position], column.replayed[position]
        )
        for position in positions
    ]
    return list(worst_of(found))


def _difference(
    claims: pd.DataFrame,
    position: int,
    column: str,
    served: Any,  # noqa: ANN401
    replayed: Any,  # noqa: ANN401
) -> Difference:
    row = claims.iloc[position]
    return Difference(
        request_id=str(row["request_id"]),
        row=int(row["row"]),
        event_time=row["event_time"].to_pydatetime(),
        version=str(row["version"]),
        column=column,
        served=_plain(served),
        replayed=_plain(replayed),
    )


def _plain(value: Any) -> Any:  # noqa: ANN401
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and np.isnan(plain) else plain
