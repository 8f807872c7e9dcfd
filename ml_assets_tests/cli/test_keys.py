"""Keys from the command line."""

from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from ml_assets.cli.app import app
from ml_assets.core.errors import ServingError
from ml_assets.storage.api_keys import KeyStore


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("ML_ASSETS_HOME", str(tmp_path / "home"))
    return KeyStore(tmp_path / "home" / "keys")


def ml_assets(*arguments):
    return CliRunner().invoke(app, ["keys", *arguments])


def test_a_key_is_made_shown_once_listed_and_revoked(project):
    made = ml_assets(
        "create", "shop", "--scope", "predict", "--scope", "feedback", "--expires", "P90D"
    )
    assert made.exit_code == 0
    secret = made.stdout.strip()
    key = project.ring().find(secret, now=datetime.now(tz=UTC))
    assert key.scopes == ("predict", "feedback")
    assert key.expires - key.created == pytest.approx(timedelta(days=90), abs=timedelta(minutes=1))
    listed = ml_assets("list").stdout
    assert "shop" in listed
    assert "usable" in listed
    assert secret not in listed
    assert ml_assets("revoke", "shop").exit_code == 0
    assert project.ring().find(secret, now=datetime.now(tz=UTC)) is None
    assert "revoked" in ml_assets("list").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("create", "shop", "--scope", "predikt"), "Did you mean 'predict'"),
        (("create", "a b", "--scope", "predict"), "cannot name a key"),
        (("create", "shop", "--scope", "predict", "--expires", "soon"), "P90D"),
        (("create", "shop", "--scope", "predict", "--expires", "-P1D"), "opens nothing"),
        (("revoke", "nobody"), "There is no key yet"),
    ],
)
def test_a_wrong_command_says_what_to_do(project, arguments, told):
    result = ml_assets(*arguments)
    assert isinstance(result.exception, ServingError)
    assert told in str(result.exception)
    assert not project.path.exists()
