"""`dg check yaml` and `dg check defs` name file, line, field, what was expected and the nearest."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from dagster.components.core.component_tree import ComponentTreeException
from dagster_dg_core.check import check_yaml
from dagster_dg_core.context import DgContext
from jsonschema import Draft202012Validator

from ml_assets.components.loading import declared_problems
from ml_assets.components.ml_problem import MLProblemComponent
from ml_assets.core.problem import Candidate, Problem

# What is written wrong: the right text, the wrong one, the field and the words of the error.
SEEN_BY_THE_SCHEMA = {
    "field": ("  label:", "  lable:", "lable", "the field 'label'"),
    "field of a part": ("columns: [mea", "colums: [mea", "time.colums", "the field 'columns'"),
    "field of a list's item": (
        "      half_life: P1D",
        "      halflife: P1D",
        "candidates.1.halflife",
        "the field 'half_life'",
    ),
    "field in a choice": (
        "params: {max_iter: 80, learning_rate: 0.15}",
        "search: {max_iter: {low: 1, high: 9, intger: true}}",
        "candidates.0.search.max_iter.intger",
        "the field 'integer'",
    ),
    "field of a source": ("table: readings", "tabel: readings", "source.tabel", "'table'"),
    "field far from any": (
        "keep: last",
        "retain: last",
        "duplicates.retain",
        "one of the fields 'keep'",
    ),
    "union tag": ("kind: simulator", "kind: simulater", "source.kind", "'simulator' was expected"),
    "choice": ("every: day", "every: dya", "partitions.every", "'day' was expected"),
    "choice far from any": (
        "every: day",
        "every: fortnight",
        "partitions.every",
        "'fortnight' is not one of ['hour', 'day', 'week', 'month']",
    ),
    "duration": (
        "lookback: PT6H",
        "lookback: 6 hours",
        "features.lookback",
        "'a duration such as PT1H, PT30M or P7D' was expected",
    ),
    "duration that may be left out": (
        "window: P28D",
        "window: 28 days",
        "candidates.0.window",
        "'a duration such as PT1H, PT30M or P7D' was expected",
    ),
    "type": ("folds: 4", "folds: four", "evaluation.folds", "'four' is not of type 'integer'"),
}
SEEN_WHILE_LOADING = {
    "metric": ("[mae, rmse", "[mea, rmse", "metrics", "Did you mean 'mae'?"),
    "gated metric": ("{r2: 0.5}", "{r2_: 0.5}", "gates.at_least", "Did you mean 'r2'?"),
    "key column": ("keys: [rig]\n  dup", "keys: [rgi]\n  dup", "keys.0", "Did you mean 'rig'?"),
    "class": (
        "linear_model.Ridge",
        "linear_model.Rigde",
        "candidates.2.estimator",
        "no 'Rigde' in sklearn.linear_model. Did you mean 'Ridge'?",
    ),
    "module": (
        "sklearn.linear_model.",
        "sklearn.linear_models.",
        "candidates.2.estimator",
        "no module 'sklearn.linear_models'. Did you mean 'linear_model'?",
    ),
    "package": ("sklearn.lin", "sklern.lin", "candidates.2.estimator", "Did you mean 'sklearn'?"),
    "scenario": (
        "{{ env('PLANT_SCENARIO', 'quiet') }}",
        "quite",
        "source.scenario",
        "Did you mean 'quiet'?",
    ),
    "gap": ("folds: 4", "gap: PT1H", "evaluation.gap", "shorter than label.delay"),
}


def plain(text):
    return re.sub(r"\x1b\[\d*m", "", text)


@pytest.mark.parametrize("mistake", SEEN_BY_THE_SCHEMA.values(), ids=SEEN_BY_THE_SCHEMA.keys())
def test_the_schema_tells_the_line_and_the_nearest(project, monkeypatch, capsys, mistake):
    right, wrong, field, words = mistake
    root, package, (line,) = project((right, wrong))
    monkeypatch.chdir(root)
    context = DgContext.for_project_environment(root, {})
    assert not check_yaml(context, [], validate_requirements=False)
    headlines = [said for said in plain(capsys.readouterr().out).splitlines() if " - " in said]
    place = f"{root}/{package}/defs/plant/defs.yaml:{line} - "
    (headline,) = [said for said in headlines if f" attributes.{field} " in said]
    assert headline.startswith(place)
    assert words in headline


@pytest.mark.parametrize("mistake", SEEN_WHILE_LOADING.values(), ids=SEEN_WHILE_LOADING.keys())
def test_loading_tells_the_line_and_the_nearest(project, monkeypatch, mistake):
    right, wrong, field, words = mistake
    root, package, (line,) = project((right, wrong))
    monkeypatch.syspath_prepend(root)
    with pytest.raises(ComponentTreeException) as refused:
        declared_problems(importlib.import_module(f"{package}.defs"))
    said = str(refused.value.__cause__)
    place = f"{root}/{package}/defs/plant/defs.yaml:{line}"
    assert field in said
    assert place in said
    assert words in said


def test_scikit_learn_is_not_imported_to_check_its_names():
    code = (
        "import sys\n"
        "from ml_assets.storage.estimators import import_fault\n"
        "assert import_fault('sklearn.linear_model.Ridge') is None\n"
        "assert import_fault('sklearn.linear_model.Rigde')\n"
        "assert not any(name.partition('.')[0] == 'sklearn' for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_filled_in_is_not_shown(project, monkeypatch):
    root, package, _ = project(
        ('owners: ["team:plant"]', "alerts: {webhook: \"{{ [env('HOOK')] }}\"}")
    )
    monkeypatch.setenv("HOOK", "https://secret")
    monkeypatch.syspath_prepend(root)
    with pytest.raises(ComponentTreeException) as refused:
        declared_problems(importlib.import_module(f"{package}.defs"))
    said = str(refused.value.__cause__)
    assert "alerts.webhook" in said
    assert "secret" not in said


@pytest.mark.slow
def test_check_yaml_tells_all_at_once(project):
    mistakes = [mistake[:2] for mistake in list(SEEN_BY_THE_SCHEMA.values())[1:3]]
    root, *_ = project(*mistakes)
    said = command(root, "yaml")
    for field, words in (one[2:] for one in list(SEEN_BY_THE_SCHEMA.values())[1:3]):
        assert f"attributes.{field} " in said
        assert words in said


@pytest.mark.slow
def test_check_defs_tells_what_the_schema_cannot(project):
    right, wrong, field, words = SEEN_WHILE_LOADING["class"]
    root, package, (line,) = project((right, wrong))
    said = command(root, "defs")
    assert "All component YAML validated successfully" in said
    assert f"{package}/defs/plant/defs.yaml:{line}" in said
    assert field in said
    assert words in said


def command(root, what):
    dg_command = Path(sys.executable).with_name("dg")
    environment = {key: text for key, text in os.environ.items() if key != "DAGSTER_HOME"}
    done = subprocess.run(
        [dg_command, "check", what],
        cwd=root,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    return plain(done.stdout + done.stderr)


def test_every_slip_of_every_field_is_told():
    schema = Problem.model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        judge = Draft202012Validator(
            {key: part[key] for key in ("patternProperties", "additionalProperties")}
        )
        for name in part["properties"]:
            for typed in (name[1:], name + "x", f"x{name}", name[1] + name[0] + name[2:]):
                if typed not in part["properties"]:
                    assert f"the field {name!r}" in [
                        error.validator_value for error in judge.iter_errors({typed: 1})
                    ]


@pytest.mark.parametrize(
    "more",
    [
        {"window": None},
        {"window": "P1DT2H"},
        {"half_life": "PT0.5H"},
        {"search": {"a": [1, 2], "b": {"low": 1, "high": 2}}},
    ],
)
def test_the_schema_takes_what_is_right(more):
    candidate = {"name": "a", "estimator": "b.C", **more}
    assert Candidate.model_validate(candidate)
    schema = MLProblemComponent.get_model_cls().model_json_schema()
    Draft202012Validator.check_schema(schema)
    judge = Draft202012Validator({"$defs": schema["$defs"], "$ref": "#/$defs/Candidate"})
    assert list(judge.iter_errors(candidate)) == []
