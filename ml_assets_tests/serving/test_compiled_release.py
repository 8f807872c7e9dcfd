"""A release with a compiled model answers without scikit-learn; one without says why."""

import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsRegressor

from ml_assets.core.compiled import CompiledModel, compile_model
from ml_assets.core.compiled.container import pack, unpack
from ml_assets.core.errors import ArtefactError, ServingError
from ml_assets.core.prediction import Predictor
from ml_assets.core.release import COMPILED_FILE, MODEL_FILE, RELEASE_FILE, Release
from ml_assets.core.training import Configuration, fit
from ml_assets.storage.compiling import compiled_or_reason
from ml_assets.storage.model_files import load
from ml_assets_tests.core.learning_data import training_set
from ml_assets_tests.serving.releases import CATEGORICAL, NUMERIC, make_release, seal


@pytest.fixture(scope="module")
def files():
    files = make_release()
    compiled = compile_model(
        load(files[MODEL_FILE]), task="regression", numeric=NUMERIC, categorical=CATEGORICAL
    )
    return seal({**files, COMPILED_FILE: compiled.to_bytes()})


def test_the_golden_rows_are_answered_compiled(files):
    predictor = Predictor(files)
    predictor.prove()
    predictor.close()


def test_another_compiled_model_does_not_serve(files):
    header, arrays = unpack(files[COMPILED_FILE])
    nudged = {**arrays, "leaf": 1.0001 * arrays["leaf"]}
    predictor = Predictor(seal({**files, COMPILED_FILE: pack(header, nudged)}))
    with pytest.raises(ServingError, match="golden row 0: expected"):
        predictor.prove()
    predictor.close()


def test_a_changed_or_added_file_is_refused(files):
    with pytest.raises(ArtefactError, match=f"changed: .*{COMPILED_FILE}"):
        Predictor({**files, COMPILED_FILE: files[COMPILED_FILE] + b" "})
    with pytest.raises(ArtefactError, match="cannot be read"):
        Predictor(seal({**files, COMPILED_FILE: b"PK"}))


def test_a_prediction_imports_neither_scikit_learn_nor_skops(files, tmp_path):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    code = """
import sys
from pathlib import Path
from ml_assets.core.prediction import Predictor
predictor = Predictor({file.name: file.read_bytes() for file in Path().iterdir()})
predictor.prove()
print([name for name in ("sklearn", "skops", "scipy") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def _fitted(estimator):
    rows = training_set("regression", rows=240)
    path = f"sklearn.{estimator}"
    configuration = Configuration(name="one", kind="candidate", estimator=path)
    return fit(configuration, rows, seed=0), rows


def test_what_compiles_is_proven_from_its_file():
    model, rows = _fitted("ensemble.HistGradientBoostingRegressor")
    found = compiled_or_reason(model, rows, "regression")
    assert isinstance(found, CompiledModel)
    assert found.family == "HistGradientBoostingRegressor"


def test_what_does_not_compile_is_served_by_scikit_learn_with_the_reason():
    model, rows = _fitted("neighbors.KNeighborsRegressor")
    found = compiled_or_reason(model, rows, "regression")
    reason = f"{KNeighborsRegressor.__name__} is of no family that is compiled"
    assert found == f"scikit-learn ({reason})"


def test_what_compiles_to_another_model_is_not_used():
    model, rows = _fitted("ensemble.HistGradientBoostingRegressor")
    trees = model.steps[-1][1]
    answer = trees.predict
    trees.predict = lambda matrix: np.nextafter(answer(matrix), np.inf)
    found = compiled_or_reason(model, rows, "regression")
    assert found.startswith("scikit-learn (compiled, it differs on training rows: 240 of 240 rows")


def test_a_compilation_that_fails_names_its_failure():
    model, rows = _fitted("ensemble.HistGradientBoostingRegressor")
    del model.steps[-1][1]._baseline_prediction
    found = compiled_or_reason(model, rows, "regression")
    assert found.startswith("scikit-learn (compiling failed: AttributeError")


def test_an_older_release_says_scikit_learn(files):
    values = json.loads(files[RELEASE_FILE])
    del values["evaluator"]
    assert Release.from_json(values).evaluator == "scikit-learn"
