"""The command that shows interventions says what can be done next."""

import pytest
from typer.testing import CliRunner

from ml_assets.cli.app import app
from ml_assets.components.loading import declared_problem


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("ML_ASSETS_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")


def said(*arguments, code=0):
    result = CliRunner().invoke(app, ["intervene", *arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize(
    ("mode", "words"), [("apply", "begins by itself"), ("propose", "Next: "), ("off", "Next: ")]
)
def test_it_says_what_comes_next_by_the_declared_mode(mode, words, monkeypatch):
    declared = declared_problem("plant").problem.serving.interventions
    monkeypatch.setitem(vars(declared), "mode", mode)
    shown = said("plant")
    assert "No intervention is in force" in shown
    assert words in shown
    assert "ml-assets intervene plant --begin" in shown
