"""Rows with a known answer: hours of a few entities, whose truth is a known function."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from ml_assets.core.change.rows import ComparedRows

START = datetime(2024, 1, 1, tzinfo=UTC)
ENTITIES = ("a", "b", "c")


def slow(rng, hours, *, memory=0.9):
    """Return standard normal values that remember, shape (hours, entities)."""
    noise = rng.normal(size=(hours + 50, len(ENTITIES))) * (1 - memory**2) ** 0.5
    values = np.zeros_like(noise)
    for at in range(1, len(values)):
        values[at] = memory * values[at - 1] + noise[at]
    return values[50:]


def table(*, hours=480, seed=0):
    """Return features: speed and load wander, warmth follows the day, kind is text."""
    rng = np.random.default_rng(seed)
    times = pd.date_range(START, periods=hours, freq="h").repeat(len(ENTITIES))
    hour = times.hour.to_numpy()
    return pd.DataFrame(
        {
            "event_time": times.astype("datetime64[us, UTC]"),
            "entity": np.tile(ENTITIES, hours),
            "speed": (5 + 1.5 * slow(rng, hours)).ravel().round(3),
            "load": (40 + 6 * slow(rng, hours)).ravel().round(3),
            "warmth": (15 + 6 * np.sin(hour / 24 * 2 * np.pi) + slow(rng, hours).ravel()).round(3),
            "kind": rng.choice(["x", "y"], size=len(times)),
            "noise": rng.normal(size=len(times)),
        }
    )


def model(frame):
    """Return what the stored model answers: it has learned the world of before."""
    return (2 * frame["speed"] + 0.1 * frame["load"] + 0.2 * frame["warmth"]).to_numpy()


def world(frame):
    """Return the truth of before."""
    return model(frame) + (0.3 + 0.4 * (frame["speed"] > 7)) * frame["noise"].to_numpy()


def absolute(truth, answers):
    return np.abs(np.asarray(answers, float) - np.asarray(truth, float))


def answered(frame, truth=None):
    """Return rows as the stored model answered them; without truth none is known yet."""
    frame = frame.reset_index(drop=True)
    answers = model(frame)
    known = np.full(len(frame), np.nan) if truth is None else np.asarray(truth, float)
    numeric = ("speed", "load", "warmth")
    loss = absolute(known, answers)
    return ComparedRows(
        frame, numeric, ("kind",), frame["entity"].to_numpy(object), answers, known, loss
    )


def split(frame, *, at=336):
    """Return the rows before an hour, and since."""
    cut = frame["event_time"] < START + pd.Timedelta(hours=at)
    return frame[cut], frame[~cut].reset_index(drop=True)
