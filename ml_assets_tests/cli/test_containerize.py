from datetime import UTC, datetime, timedelta

import pytest

from ml_assets.cli.containerize import _builder, _champions_bento
from ml_assets.core.errors import DeclarationError, LedgerError
from ml_assets.storage.workspace import Workspace

NOW = datetime(2024, 5, 1, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path):
    opened = Workspace(tmp_path)
    yield opened
    opened.state.close()


def tell(workspace, *moves):
    for hour, (event, version, details) in enumerate(moves):
        at = NOW + timedelta(hours=hour)
        workspace.ledger.record("plant", event, version, reason="test", details=details, at=at)


def test_the_image_holds_the_version_that_serves_after_a_rollback_too(workspace):
    tell(
        workspace,
        ("promoted", "v1", {"bento": "plant:v1-a"}),
        ("promoted", "v2", {"bento": "plant:v2-b"}),
    )
    assert _champions_bento(workspace, "plant") == "plant:v2-b"
    workspace.ledger.record(
        "plant", "rolled_back", "v1", reason="test", at=NOW + timedelta(hours=9)
    )
    assert _champions_bento(workspace, "plant") == "plant:v1-a"


def test_without_a_champion_there_is_nothing_to_build(workspace):
    with pytest.raises(LedgerError, match=r"no Bento yet\. Run: ml-assets materialize plant"):
        _champions_bento(workspace, "plant")


def test_a_builder_is_one_of_three():
    assert (_builder(None), _builder("podman")) == (None, "podman")
    with pytest.raises(DeclarationError, match="Did you mean 'docker'"):
        _builder("doker")
