"""The candidates of a drafted problem: a boosted and a linear one, small searches."""

from collections.abc import Iterable, Iterator

from ml_assets.core.inference import Inference
from ml_assets.core.inference.durations import DAY, at_least, iso

# More rows than this make a search slow and hardly a better model: candidates take recent ones.
MOST_TRAINING_ROWS = 400_000


def candidates_text(inference: Inference) -> Iterator[str]:
    """Yield the lines of ``candidates``, ``search`` and ``metrics``."""
    regression = inference.truth.task == "regression"
    window = list(_window(inference))
    yield "  candidates:"
    yield from _boosted("boosted", "Regressor" if regression else "Classifier", window)
    if inference.truth.outlying and not inference.truth.skewed:
        yield "    # a few values of the target are far away: they do not rule the absolute error"
        yield from _boosted("boosted_median", "Regressor", window, loss="absolute_error")
    if inference.truth.skewed:
        yield "    # the target is positive with a long upper tail: its logarithm may be easier"
        yield from _boosted("boosted_log", "Regressor", ["target_transform: log1p", *window])
    if regression:
        linear = ("ridge", "sklearn.linear_model.Ridge", "alpha", "1.0", "0.01", "1000")
    else:
        linear = ("logistic", "sklearn.linear_model.LogisticRegression", "C", "1.0", "0.01", "100")
    name, path, parameter, usual, low, high = linear
    more = "" if regression else ", max_iter: 1000"
    yield f"    - name: {name}"
    yield f"      estimator: {path}"
    yield f"      params: {{{parameter}: {usual}{more}}}"
    yield f"      search: {{{parameter}: {{low: {low}, high: {high}, log: true}}}}"
    yield from (f"      {line}" for line in window)
    yield "  search: {trials: 4, folds: 2, seconds: 60}"
    yield f"  metrics: [{', '.join(_metrics(inference))}]"


def _boosted(
    name: str, kind: str, more: Iterable[str], *, loss: str | None = None
) -> Iterator[str]:
    asked = "" if loss is None else f"loss: {loss}, "
    yield f"    - name: {name}"
    yield f"      estimator: sklearn.ensemble.HistGradientBoosting{kind}"
    yield f"      params: {{{asked}max_iter: 200, learning_rate: 0.08}}"
    yield "      search:"
    yield "        learning_rate: {low: 0.02, high: 0.2, log: true}"
    yield "        max_leaf_nodes: [15, 31, 63]"
    yield "        min_samples_leaf: [10, 20, 50]"
    yield from (f"      {line}" for line in more)


def _window(inference: Inference) -> Iterator[str]:
    if inference.rows > MOST_TRAINING_ROWS:
        share = MOST_TRAINING_ROWS / inference.rows
        recent = at_least(max(inference.pace.span * share, DAY))
        yield f"window: {iso(recent)}  # about {MOST_TRAINING_ROWS:,} rows of the last ones"


def _metrics(inference: Inference) -> tuple[str, ...]:
    persists = any(one.kind == "persistence" for one in inference.baselines)
    compared = ("temporal_kappa",) if persists else ()
    match inference.truth.task:
        case "regression":
            return ("mae", "rmse", "bias", "r2")
        case "binary":
            return ("log_loss", "accuracy", "brier", "roc_auc", "f1", *compared)
        case "multiclass":
            return ("log_loss", "accuracy", "f1", *compared)
