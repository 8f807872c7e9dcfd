import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ml_assets.core.deployment import DeployedVersion, Deployment
from ml_assets.core.errors import ServingError
from ml_assets.storage.deployment import DeploymentFile

AT = datetime(2024, 1, 2, tzinfo=UTC)
FIRST = Deployment("plant", 1, "a" * 64, "v1", "/releases/a", AT, "first")
SECOND = replace(FIRST, revision=2, champion="b" * 64, champion_version="v2")


def test_the_newest_deployment_is_read(tmp_path: Path) -> None:
    file = DeploymentFile(tmp_path / "plant")
    assert file.read() is None
    for deployment in (FIRST, SECOND, SECOND):
        file.write(deployment)
        assert file.read() == deployment
    assert {path.name for path in file.folder.iterdir()} == {"deployment.json", ".lock"}


@pytest.mark.parametrize("late", [FIRST, replace(SECOND, reason="another decision")])
def test_a_revision_that_is_not_newer_is_refused(tmp_path: Path, late: Deployment) -> None:
    file = DeploymentFile(tmp_path)
    file.write(SECOND)
    with pytest.raises(ServingError, match="not newer"):
        file.write(late)
    assert file.read() == SECOND


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"revision": "2"}, "revision of a deployment is int"),
        ({"revision": True}, "revision of a deployment is int"),
        ({"revision": 0}, "counts from 1"),
        ({"canary": 0.1}, "has the fields"),
        ({"at": "yesterday"}, "ISO 8601"),
        ({"at": "2024-01-01T00:00:00"}, "time zone"),
    ],
)
def test_what_is_no_deployment_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ServingError, match=why):
        Deployment.from_json({**FIRST.to_json(), **change})


BESIDE = DeployedVersion("v2", "c" * 64, "/releases/c")
CANARY = replace(
    SECOND,
    mode="canary",
    challenger=BESIDE,
    share=0.1,
    experiment="plant/v2/2",
    routing_key=("rig",),
)
SHADOW = replace(SECOND, mode="shadow", shadow=BESIDE, experiment="plant/v2/2")


@pytest.mark.parametrize("deployment", [FIRST, CANARY, SHADOW], ids=lambda one: one.mode)
def test_traffic_is_read_as_it_was_written(tmp_path: Path, deployment: Deployment) -> None:
    file = DeploymentFile(tmp_path)
    file.write(deployment)
    assert file.read() == deployment
    assert deployment.contender == (None if deployment is FIRST else BESIDE)


def test_a_champion_alone_is_written_as_ever() -> None:
    assert set(FIRST.to_json()) == {
        "problem",
        "revision",
        "champion",
        "champion_version",
        "release_folder",
        "at",
        "reason",
    }


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"share": 1}, "share of a deployment is float"),
        ({"share": 0.0}, "above 0 and at most 1"),
        ({"share": 1.1}, "above 0 and at most 1"),
        ({"share": float("nan")}, "above 0 and at most 1"),
        ({"mode": "champion"}, "belongs to the modes"),
        ({"mode": "mirror"}, "mode of a deployment is one of"),
        ({"challenger": None}, "belongs to the modes"),
        ({"challenger": {"version": "v2"}}, "challenger of a deployment has the texts"),
        ({"challenger": {**asdict(BESIDE), "digest": 1}}, "challenger of a deployment has"),
        ({"shadow": asdict(BESIDE)}, "belongs to the mode 'shadow'"),
        ({"experiment": ""}, "named experiment"),
        ({"routing_key": "rig"}, "routing_key of a deployment is list"),
        ({"routing_key": [1]}, "names columns"),
        ({"weight": 1.0}, "has the fields"),
    ],
)
def test_traffic_that_cannot_be_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ServingError, match=why):
        Deployment.from_json({**CANARY.to_json(), **change})


def test_a_missing_field_and_a_broken_file_are_refused(tmp_path: Path) -> None:
    values = FIRST.to_json()
    del values["champion"]
    (tmp_path / "deployment.json").write_text(json.dumps(values))
    with pytest.raises(ServingError, match="has the fields"):
        DeploymentFile(tmp_path).read()
    (tmp_path / "deployment.json").write_text("{")
    with pytest.raises(ServingError, match="is no JSON"):
        DeploymentFile(tmp_path).read()


def test_its_moment_is_kept_in_utc() -> None:
    there = replace(FIRST, at=AT.astimezone(timezone(timedelta(hours=5))))
    assert there.to_json()["at"] == "2024-01-02T00:00:00+00:00"
