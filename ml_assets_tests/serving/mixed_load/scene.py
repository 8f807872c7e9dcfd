"""A workspace with three versions that answer differently, and the server that is to bear it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ml_assets.core.compiled import compile_model
from ml_assets.core.rate_limit import RateLimit
from ml_assets.core.release import (
    COMPILED_FILE,
    CONTRACT_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    RELEASE_FILE,
    Release,
)
from ml_assets.storage.api_keys import KeyStore
from ml_assets.storage.bentos import build_bento
from ml_assets.storage.model_files import load
from ml_assets.storage.served_bento import ServedBento
from ml_assets.storage.serving_state import announce
from ml_assets.storage.versions import deploy
from ml_assets.storage.workspace import Workspace
from ml_assets_tests.serving.releases import CATEGORICAL, NUMERIC, make_release
from ml_assets_tests.storage.stored_versions import package

PROBLEM = "pumps"
MAX_ROWS = 200
LIMIT = RateLimit(requests_per_second=10, burst=20)
SEEDS = (1, 2, 3)
READY_WITHIN = 600.0  # seconds; other work may share the machine
CALLERS = ("one", "other", "many", "tables", "repeating", "wrong", "greedy", "leaving")


@dataclass(frozen=True)
class Scene:
    """What a mixed load takes place in.

    Attributes:
        workspace: Ledger, artefacts, deployment and spool.
        releases: Files of each version.
        server: Serves, and is killed.
        secrets: API keys by the name of who has them.
    """

    workspace: Workspace
    releases: dict[str, dict[str, bytes]]
    server: ServedBento
    secrets: dict[str, str]


@contextmanager
def open_scene(folder: Path, *, bento: tuple[str, Path] | None = None) -> Iterator[Scene]:
    """Set everything up, with the first version serving, and end the server in the end.

    Args:
        folder: Where everything goes.
        bento: Tag and home of a Bento; by default one is built.
    """
    workspace = Workspace(folder / "home")
    releases: dict[str, dict[str, bytes]] = {}
    for seed in SEEDS:
        package(
            workspace,
            PROBLEM,
            seed,
            release_of=lambda version, seed=seed: releases.setdefault(
                version, _release_of(version, seed)
            ),
        )
    first = next(iter(releases))
    deploy(workspace, PROBLEM, first, event="promoted", reason="first", now=datetime.now(UTC))
    if bento is None:
        home = folder / "bentoml"
        packed = Path(announce(workspace, PROBLEM).release_folder)
        bento = (build_bento(packed, problem=PROBLEM, version=first, home=home), home)
    keys = KeyStore(folder / "keys")
    secrets = {name: keys.create(name, ["predict"]) for name in CALLERS}
    secrets |= {
        "feedback": keys.create("feedback", ["feedback"]),
        "operator": keys.create("operator", ["admin"]),
    }
    tag, home = bento
    server = ServedBento(
        tag,
        home,
        folder / "logs" / "server-0.log",
        workspace.spool,
        deployment=workspace.deployment(PROBLEM).path,
        keys=keys.path,
        ready_within=READY_WITHIN,
    )
    with server:
        yield Scene(workspace, releases, server, secrets)


def _release_of(version: str, seed: int) -> dict[str, bytes]:
    """Return the files of a release that takes any pump; the store adds the manifest."""
    files = make_release(version=version, seed=seed)
    described = Release.from_json(json.loads(files[RELEASE_FILE]))
    described = replace(described, max_rows=MAX_ROWS, rate_limit=LIMIT)
    contract = json.loads(files[CONTRACT_FILE])
    next(column for column in contract if column["name"] == "pump")["allowed"] = None
    files |= {
        RELEASE_FILE: json.dumps(described.to_json()).encode(),
        CONTRACT_FILE: json.dumps(contract).encode(),
    }
    model = load(files[MODEL_FILE])
    compiled = compile_model(model, task="regression", numeric=NUMERIC, categorical=CATEGORICAL)
    files[COMPILED_FILE] = compiled.to_bytes()
    return {name: content for name, content in files.items() if name != MANIFEST_FILE}
