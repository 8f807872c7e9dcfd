"""The commands that show, change and end traffic, and say who answered when."""

from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from ml_assets.cli.app import app
from ml_assets.core.errors import LedgerError
from ml_assets.storage.traffic import Part, start_traffic
from ml_assets.storage.versions import deploy
from ml_assets.storage.workspace import Workspace
from ml_assets_tests.storage.stored_versions import package

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("ML_ASSETS_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")
    return Workspace(tmp_path)


@pytest.fixture
def names(workspace):
    """The champion since noon, and a canary since one o'clock."""
    made = [package(workspace, "plant", seed) for seed in range(2)]
    deploy(workspace, "plant", made[0], event="promoted", reason="first", now=NOON)
    start_traffic(
        workspace,
        "plant",
        made[1],
        Part("canary", 0.1),
        reason="try it",
        routing_key=(),
        now=NOON + HOUR,
    )
    return made


def said(*arguments, code=0):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    return result.output


def test_it_is_shown_changed_and_ended(workspace, names):
    champion, challenger = names
    shown = said("traffic", "plant")
    assert "90%" in shown
    assert f"ml-assets promote plant {challenger}" in shown
    wider = said("traffic", "plant", "--share", "0.3")
    assert f"{challenger} answers 30% of the keys beside {champion}, revision 3" in wider
    assert workspace.deployment("plant").read().mode == "canary"
    assert "answers unheard" in said("traffic", "plant", "--shadow")
    assert workspace.deployment("plant").read().shadow.version == challenger
    assert f"{challenger} is withdrawn; {champion} answers everything" in said(
        "traffic", "plant", "--end"
    )
    assert workspace.deployment("plant").read().contender is None
    assert "--challenger VERSION" in said("traffic", "plant")


def test_who_answered_is_known_with_shares(names):
    champion, challenger = names
    before = said("as-of", "2026-03-01T12:30:00", "plant")
    assert champion in before
    assert "100%" in before
    assert challenger not in before
    after = said("as-of", "2026-03-01T13:30:00")
    assert "90%" in after
    assert "challenger (canary)" in after
    assert "nothing" in said("as-of", "2026-03-01T11:00:00", "plant")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--end", "--share", "0.5"), "goes alone"),
        (("--challenger", "v9"), "Say how it takes part"),
        (("--share", "1.5"), "does not go with mode"),
        (("--shadow", "--share", "0.5"), "does not go with mode"),
        (("--challenger", "v9", "--share", "0.5"), "has no version 'v9'"),
    ],
)
@pytest.mark.usefixtures("names")
def test_what_cannot_be_is_refused(arguments, why):
    result = CliRunner().invoke(app, ["traffic", "plant", *arguments])
    assert isinstance(result.exception, LedgerError)
    assert why in str(result.exception)


@pytest.mark.usefixtures("workspace")
def test_nothing_serves_yet():
    assert "ml-assets materialize plant" in said("traffic", "plant", code=1)
