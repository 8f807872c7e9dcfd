"""What does not compile says why; what compiled wrongly is found; numpy alone evaluates."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
)

from ml_assets.core.compiled import CompiledModel, NotCompilable, compile_model
from ml_assets.core.compiled.container import pack, unpack
from ml_assets.core.compiled.proof import columns_of, difference
from ml_assets.core.errors import DataError
from ml_assets_tests.core.compiled_cases import (
    CATEGORICAL,
    NUMERIC,
    TREES,
    labels,
    own,
    training_frame,
)

FRAME = training_frame()
NUMBERS = list(NUMERIC[:3])
FILLED = FRAME.assign(**{name: FRAME[name].fillna(0.0) for name in NUMBERS})


def _columns(*parts, **more):
    return Pipeline([("columns", ColumnTransformer(list(parts), **more)), ("model", Ridge())])


NOT_COMPILED = {
    "KNeighborsRegressor is of no family": own(KNeighborsRegressor()),
    "PolynomialFeatures is of no kind": Pipeline(
        [("p", _columns(("n", PolynomialFeatures(), NUMBERS))[0]), ("m", Ridge())]
    ),
    "FunctionTransformer is of no kind": _columns(("n", FunctionTransformer(np.abs), NUMBERS)),
    "columns are weighted": _columns(("n", "passthrough", NUMBERS), transformer_weights={"n": 2.0}),
    "sparse matrix is transformed further": Pipeline(
        [
            (
                "c",
                ColumnTransformer([("t", OneHotEncoder(), ["mode"])], sparse_threshold=1.0),
            ),
            ("s", StandardScaler(with_mean=False)),
            ("m", Ridge()),
        ]
    ),
    "n_jobs is 2": own(RandomForestRegressor(n_estimators=2, n_jobs=2)),
    "starts from an estimator of its own": Pipeline(
        [
            ("c", ColumnTransformer([("n", "passthrough", NUMBERS)])),
            ("m", GradientBoostingRegressor(init=LinearRegression(), n_estimators=2)),
        ]
    ),
    "its own categorical features": Pipeline(
        [
            ("c", ColumnTransformer([("n", "passthrough", NUMBERS)])),
            ("m", HistGradientBoostingRegressor(categorical_features=[2], max_iter=2)),
        ]
    ),
    "target's transformation": Pipeline(
        [
            ("c", ColumnTransformer([("n", "passthrough", NUMBERS)])),
            ("m", TransformedTargetRegressor(Ridge(), func=np.sqrt, inverse_func=np.square)),
        ]
    ),
}


@pytest.mark.parametrize("reason", NOT_COMPILED)
@pytest.mark.filterwarnings("ignore:The provided functions")
def test_what_does_not_compile_says_why(reason):
    model = NOT_COMPILED[reason].fit(FILLED, labels("regression", FRAME))
    with pytest.raises(NotCompilable, match=reason):
        compile_model(model, task="regression", numeric=NUMERIC, categorical=CATEGORICAL)


def test_a_column_that_is_no_feature_and_another_task_do_not_compile():
    case = TREES[0]
    model = case.fitted()[0]
    with pytest.raises(NotCompilable, match="columns that are no"):
        compile_model(model, task="regression", numeric=NUMERIC, categorical=CATEGORICAL[:1])
    with pytest.raises(NotCompilable, match="binary"):
        compile_model(model, task="binary", numeric=NUMERIC, categorical=CATEGORICAL)


def test_an_encoder_that_refuses_categories_refuses_them_compiled():
    frame = FRAME[FRAME["rig"].notna()]
    model = _columns(("t", OneHotEncoder(), ["rig"])).fit(frame, labels("regression", frame))
    compiled = compile_model(model, task="regression", numeric=(), categorical=["rig"])
    none = np.empty((1, 0))
    assert np.isfinite(compiled.predict(none, [["a"]]).values).all()
    for value in (None, "never seen"):
        with pytest.raises(DataError, match="unseen category"):
            compiled.predict(none, [[value]])


@pytest.mark.parametrize(
    ("array", "change"),
    [
        ("threshold", lambda values: np.nextafter(values, -np.inf)),
        ("leaf", lambda values: np.nextafter(values, np.inf)),
        ("missing_right", lambda values: 1 - values),
        ("table_0", lambda values: values[::-1]),
    ],
)
@pytest.mark.parametrize("name", ["boosted", "forest"])
def test_the_proof_finds_the_smallest_change(name, array, change):
    case = next(case for case in TREES if case.name == name)
    model, compiled = case.fitted()
    header, arrays = unpack(compiled.to_bytes())
    if array == "missing_right" and name == "forest":
        return  # its inputs are filled
    wrong = CompiledModel.from_bytes(pack(header, {**arrays, array: change(arrays[array])}))
    assert "answered otherwise" in difference(wrong, model, FRAME, case.task, seed=0)


def test_evaluation_imports_neither_scikit_learn_nor_pandas(tmp_path):
    model, compiled = next(case for case in TREES if case.name == "boosted two").fitted()
    (tmp_path / "model.npz").write_bytes(compiled.to_bytes())
    numbers, texts, _ = columns_of(compiled, FRAME.head(3))
    np.save(tmp_path / "numbers.npy", numbers)
    code = f"""
import sys
import numpy as np
from ml_assets.core.compiled import CompiledModel
model = CompiledModel.from_bytes(open("model.npz", "rb").read())
answer = model.predict(np.load("numbers.npy"), {texts!r})
print(answer.probabilities[:, 1].tolist())
print([name for name in ("sklearn", "skops", "scipy", "pandas", "joblib") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    expected = model.predict_proba(FRAME.head(3))[:, 1].tolist()
    assert done.stdout.splitlines() == [str(expected), "[]"]
