"""Columns that know the label: alone, as a sum, against their own recent mean, or by being there.

A column that reproduces the label almost perfectly on hundreds of rows was, in practice, made from
it or together with it. Three families of probes are tried on every numeric column: the column
itself, its difference to the mean of its previous values, and sparse weighted sums of columns.
Of a column of any kind, its presence and its frequent values are tried.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml_assets.core.problem import Task
from ml_assets.core.telling_values import tellings

MIN_ROWS = 200
FEWEST_ROWS = 30
FEWEST_TOLD = 100  # by values, of which each is seen on many rows
ALMOST_PERFECT = 0.999
ALMOST_A_SUM = 1 - (1 - ALMOST_PERFECT) / 10
ALMOST_CERTAIN = 0.99  # of a class's entropy; one wrong row in a thousand leaves about 1 %
EXACT = 1 - 1e-9
MAX_TERMS = 4
PAIRS = 20  # that are looked at closely


@dataclass(frozen=True)
class Leak:
    """A formula over columns that reproduces the label.

    Attributes:
        columns: Columns the formula reads.
        formula: The formula in words.
        score: Share of the label that it reproduces: of its variation; for classes, of the rows
            beyond the largest class, or of the uncertainty where values tell them.
    """

    columns: tuple[str, ...]
    formula: str
    score: float


def find_leaks(
    frame: pd.DataFrame,
    label: pd.Series,
    *,
    task: Task,
    keys: Sequence[str] = (),
    periods: Sequence[int] = (1,),
) -> list[Leak]:
    """Return the formulas that reproduce the label almost perfectly.

    Args:
        frame: Rows in time order; all its columns but the keys are tried.
        label: The label of each row, on the same index.
        task: What kind of label it is.
        keys: Columns that name the entity; "previous" means of the same entity.
        periods: Numbers of previous rows whose mean a column is compared with.
    """
    known = label.notna()
    few = known.sum() < MIN_ROWS
    if known.sum() < FEWEST_ROWS:
        return []
    if few and task != "regression":
        return _telling(frame.loc[known].drop(columns=list(keys)), label[known], task)
    numbers = {
        str(name): frame[name].astype("float64")
        for name in frame.columns
        if name not in keys and _is_number(frame[name])
    }
    score = _variation_reproduced if task == "regression" else _rows_reproduced
    if few:
        return _sums(numbers, label[known].astype("float64"), enough=EXACT, fewest=1)
    leaks = []
    for name, values in numbers.items():
        for formula, probe in _probes(name, values, frame, keys, periods):
            reproduced = score(probe[known].to_numpy(), label[known])
            if reproduced >= ALMOST_PERFECT:
                leaks.append(Leak((name,), formula, reproduced))
                break
    unnamed = frame.loc[known].drop(columns=[*keys, *(leak.columns[0] for leak in leaks)])
    leaks += _telling(unnamed, label[known], task)
    if task == "regression":
        alone = {name for leak in leaks for name in leak.columns}
        rest = {name: values for name, values in numbers.items() if name not in alone}
        leaks += _sums(rest, label[known].astype("float64"), enough=ALMOST_A_SUM, fewest=2)
    return leaks


def _telling(frame: pd.DataFrame, label: pd.Series, task: Task) -> list[Leak]:
    """Return the columns whose presence or values tell the label."""
    enough = ALMOST_PERFECT if task == "regression" else ALMOST_CERTAIN
    leaks = []
    for name in frame.columns:
        found = tellings(frame[name], label, task=task, fewest=FEWEST_TOLD)
        told = next((one for one in found if one[1] >= enough), None)
        if told is not None:
            leaks.append(Leak((str(name),), *told))
    return leaks


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _probes(
    name: str,
    values: pd.Series,
    frame: pd.DataFrame,
    keys: Sequence[str],
    periods: Sequence[int],
) -> list[tuple[str, pd.Series]]:
    found = [(name, values)]
    groups = [frame[key] for key in keys]
    for period in periods:
        if groups:
            shifted = values.groupby(groups, sort=False).shift()
            means = shifted.groupby(groups, sort=False).rolling(period).mean()
            previous = means.droplevel(list(range(len(groups)))).reindex(values.index)
        else:
            previous = values.shift().rolling(period).mean()
        words = "its previous value" if period == 1 else f"the mean of its {period} previous values"
        found.append((f"{name} against {words}", values - previous))
    return found


def _variation_reproduced(probe: np.ndarray, label: pd.Series) -> float:
    """Return the squared rank correlation, on rows where the probe is known."""
    usable = np.isfinite(probe)
    if usable.sum() < MIN_ROWS:
        return 0.0
    ranks = pd.Series(probe[usable]).rank().to_numpy()
    truth = label[usable].rank().to_numpy()
    if ranks.std() == 0 or truth.std() == 0:
        return 0.0
    return float(np.corrcoef(ranks, truth)[0, 1] ** 2)


def _rows_reproduced(probe: np.ndarray, label: pd.Series) -> float:
    """Return the best share of rows that one threshold separates, beyond always-one-class.

    For k classes the probe is cut where the label changes most often from below to above; a probe
    that orders two classes without overlap scores 1. Always naming the largest class scores 0.
    """
    usable = np.isfinite(probe)
    if usable.sum() < MIN_ROWS:
        return 0.0
    codes, _ = pd.factorize(label[usable], sort=True)
    order = np.argsort(probe[usable], kind="stable")
    sorted_probe, sorted_codes = probe[usable][order], codes[order]
    counts = np.bincount(codes)
    # A cut is possible only where the probe's value changes.
    cuts = np.flatnonzero(np.diff(sorted_probe) > 0)
    if len(counts) < 2 or len(cuts) == 0:
        return 0.0
    hot = np.eye(len(counts), dtype=np.int64)[sorted_codes]
    below = np.cumsum(hot, axis=0)[cuts]
    best = (below.max(axis=1) + (counts - below).max(axis=1)).max()
    largest = counts.max()
    return float((best - largest) / (len(codes) - largest))


def _sums(
    numbers: Mapping[str, pd.Series], label: pd.Series, *, enough: float, fewest: int
) -> list[Leak]:
    """Find a weighted sum of few columns that is the label.

    Args:
        numbers: Columns.
        label: The label, where it is known.
        enough: Share of the label's variation that a sum has to reproduce.
        fewest: Terms of a sum, at least.
    """
    usable = {n: v[label.index].fillna(v.median()) for n, v in numbers.items() if v.std() > 0}
    total = float(((label - label.mean()) ** 2).sum())
    if len(usable) < fewest or total == 0:
        return []
    columns = {n: (v - v.mean()).to_numpy() for n, v in usable.items()}
    centred = (label - label.mean()).to_numpy()
    tried = [*_pursued(columns, centred), *_pairs(columns, centred)]
    for chosen in sorted(tried, key=len):  # the shortest sum says most
        if len(chosen) < fewest:
            continue
        design = np.column_stack([columns[name] for name in chosen])
        weights, *_ = np.linalg.lstsq(design, centred, rcond=None)
        rest = centred - design @ weights
        reproduced = 1 - float(rest @ rest) / total
        if reproduced >= enough:
            terms = " + ".join(
                name if abs(weight - 1) < 1e-3 else f"{weight:.3g} {name}"
                for name, weight in zip(chosen, weights, strict=True)
            )
            return [Leak(tuple(chosen), f"{terms} = {label.name}", reproduced)]
    return []


def _pursued(columns: Mapping[str, np.ndarray], label: np.ndarray) -> Iterator[list[str]]:
    """Yield columns that together come ever closer to the label (orthogonal matching pursuit)."""
    residual, chosen = label, []
    for _ in range(min(MAX_TERMS, len(columns))):
        norms = {
            n: abs(v @ residual) / np.linalg.norm(v) for n, v in columns.items() if n not in chosen
        }
        chosen = [*chosen, max(norms, key=lambda name: norms[name])]
        yield chosen
        design = np.column_stack([columns[name] for name in chosen])
        weights, *_ = np.linalg.lstsq(design, label, rcond=None)
        residual = label - design @ weights


def _pairs(columns: Mapping[str, np.ndarray], label: np.ndarray) -> Iterator[list[str]]:
    """Yield the pairs of columns that come closest: columns that move alike lead a pursuit astray.

    The share that two columns reproduce follows from their correlations with the label and with
    each other (multiple correlation).
    """
    names = list(columns)
    unit = np.column_stack([columns[name] / np.linalg.norm(columns[name]) for name in names])
    with_label = unit.T @ (label / np.linalg.norm(label))
    between = unit.T @ unit
    own = with_label[:, None] ** 2 + with_label[None] ** 2
    both = own - 2 * np.outer(with_label, with_label) * between
    apart = np.maximum(1 - between**2, np.finfo(float).eps)
    share = np.where(np.tri(len(names), dtype=bool), -np.inf, both / apart)
    for place in np.argsort(share, axis=None)[::-1][:PAIRS]:
        first, second = np.unravel_index(place, share.shape)
        if np.isfinite(share[first, second]):
            yield [names[first], names[second]]
