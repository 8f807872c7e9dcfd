"""Files are scored as they come: the answers of the server, each row once, whatever happens."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.adjustment import Adjustment
from ml_assets.core.deployment import Deployment
from ml_assets.core.errors import ServingError
from ml_assets.core.golden import request_rows
from ml_assets.core.prediction import Predictor
from ml_assets.core.release import RELEASE_FILE
from ml_assets.storage.model_files import load
from ml_assets.storage.stream_scoring import StreamScoring
from ml_assets.storage.workspace import Workspace
from ml_assets_tests.serving.releases import (
    CATEGORICAL,
    CONTRACT,
    HOURS,
    NUMERIC,
    START,
    batch_features,
    make_history,
)
from ml_assets_tests.serving.test_assurance import with_assurance

END = START + timedelta(hours=HOURS)
AT = datetime(2024, 1, 20, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "home")


@pytest.fixture
def folders(tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    return source, target


def deploy(workspace, files, revision):
    stored = {name: content for name, content in files.items() if name != "manifest.json"}
    digest = workspace.artefacts.put_folder(stored)
    version = json.loads(files[RELEASE_FILE])["version"]
    folder = str(workspace.artefacts.folder(digest))
    place = workspace.deployment("pumps")
    place.write(Deployment("pumps", revision, digest, version, folder, AT, "test"))


def scoring(workspace, folders, *, settle_seconds=0.0):
    source, target = folders
    return StreamScoring(
        workspace, "pumps", source=source, target=target, settle_seconds=settle_seconds
    )


def rows(first, count, *, seed=3):
    """Return rows of both pumps, an hour apart, from ``first`` hours after the history on."""
    rng = np.random.default_rng(seed + first)
    return [
        {
            "pump": pump,
            "load": float(rng.uniform(0, 100)),
            "pm2.5": 9.5,
            "starts": int(rng.integers(9)),
            "mode": "eco",
            "event_time": (END + timedelta(hours=first + n)).isoformat(),
        }
        for n in range(count)
        for pump in ("north", "south")
    ]


def write(folder, name, content):
    draft = folder / f".{name}"
    if name.endswith(".jsonl"):
        draft.write_text("".join(json.dumps(row) + "\n" for row in content))
    elif name.endswith(".csv"):
        pd.DataFrame(content).to_csv(draft, index=False)
    else:
        frame = pd.DataFrame(content)
        frame["event_time"] = pd.to_datetime(frame["event_time"])
        frame.to_parquet(draft)
    draft.rename(folder / name)


def results(target, kind="jsonl"):
    """Return all written rows of a kind, by file."""
    ending = {"jsonl": ".jsonl", "rejected": ".rejected.jsonl"}[kind]
    return {
        path.name: [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(target.glob("*.jsonl"))
        if path.name.endswith(ending)
        and path.name != "journal.jsonl"
        and (kind == "rejected") == path.name.endswith(".rejected.jsonl")
    }


def expected(files, parts):
    predictor = Predictor(files)
    found = []
    for part in parts:
        body = json.dumps({"rows": part}).encode()
        found += predictor.predict(predictor.decode(body, now=AT)).predictions
    predictor.close()
    return found


def test_all_kinds_of_files_are_scored_as_the_server_answers(workspace, folders, release):
    deploy(workspace, release, 1)
    parts = [rows(0, 4), rows(4, 3), rows(7, 2)]
    for name, part in zip(("a.jsonl", "b.csv", "c.parquet"), parts, strict=True):
        write(folders[0], name, part)
    assert scoring(workspace, folders).score_new() == 3
    found = results(folders[1])
    by_time = sorted(
        (row for part in found.values() for row in part), key=lambda r: r["event_time"]
    )
    order = {(row["event_time"], row["keys"]["pump"]): row["prediction"] for row in by_time}
    given = [row for part in parts for row in part]
    assert [order[row["event_time"], row["pump"]] for row in given] == expected(release, parts)
    assert {row["version"] for row in by_time} == {"v1"}
    assert [r["row"] for r in found[next(iter(found))]] == list(
        range(len(found[next(iter(found))]))
    )
    assert results(folders[1], "rejected") == {}


def test_the_golden_history_is_scored_as_the_batch(workspace, folders, release):
    deploy(workspace, release, 1)
    history = make_history().tail(40)
    write(folders[0], "a.jsonl", list(request_rows(history, CONTRACT)))
    scoring(workspace, folders).score_new()
    batch = batch_features(make_history()).tail(40)
    answers = load(release["model.skops"]).predict(batch[[*NUMERIC, *CATEGORICAL]])
    (found,) = results(folders[1]).values()
    assert [row["prediction"] for row in found] == answers.tolist()


def test_bad_rows_are_rejected_beside_the_output_and_good_ones_scored(workspace, folders, release):
    deploy(workspace, release, 1)
    good = rows(0, 30)
    lines = [json.dumps(row) for row in good]
    lines[7] = json.dumps({**good[7], "load": 101.0})
    lines[20] = '{"pump": "north"'
    lines[21] = "[1, 2]"
    lines[22] = lines[22] + "," + lines[22]  # two objects must not become two rows
    (folders[0] / "a.jsonl").write_text("\n".join(lines))
    scoring(workspace, folders).score_new()
    (scored,) = results(folders[1]).values()
    (rejected,) = results(folders[1], "rejected").values()
    bad = {7, 20, 21, 22}
    assert {row["row"] for row in rejected} == bad
    assert {row["row"] for row in scored} == set(range(60)) - bad
    assert "above the largest allowed value" in next(r for r in rejected if r["row"] == 7)["reason"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.parquet", b"PAR1 no footer"), ("b.csv", b"pump,pump\n1,2\n"), ("c.csv", b"a\n\xff\n")],
)
def test_a_file_that_cannot_be_read_is_set_aside_once(workspace, folders, release, name, content):
    deploy(workspace, release, 1)
    (folders[0] / name).write_bytes(content)
    write(folders[0], "z.jsonl", rows(0, 1))
    made = scoring(workspace, folders)
    assert made.score_new() == 1
    (told,) = folders[1].glob("*.set_aside.json")
    assert name in json.loads(told.read_text())["reason"]
    assert made.score_new() == 0
    assert (folders[0] / name).exists()


def test_a_file_that_is_written_to_is_waited_for(workspace, folders, release):
    deploy(workspace, release, 1)
    made = scoring(workspace, folders, settle_seconds=2.0)
    path = folders[0] / "a.jsonl"
    lines = [json.dumps(row) + "\n" for row in rows(0, 3)]
    path.write_text(lines[0][:-9])
    (folders[0] / ".draft.jsonl").write_text("never looked at")
    assert made.score_new() == 0
    path.write_text("".join(lines))
    assert made.score_new() == 0
    until = time.monotonic() + 30
    while made.score_new() == 0:
        assert time.monotonic() < until
        time.sleep(0.05)
    (found,) = results(folders[1]).values()
    assert len(found) == 6


def test_the_same_content_is_scored_once(workspace, folders, release):
    deploy(workspace, release, 1)
    for name in ("a.jsonl", "b.jsonl"):
        write(folders[0], name, rows(0, 2))
    assert scoring(workspace, folders).score_new() == 1
    assert scoring(workspace, folders).score_new() == 0
    assert len(results(folders[1])) == 1


def test_an_exchange_reaches_the_next_file(workspace, folders, release, other_release):
    deploy(workspace, release, 1)
    made = scoring(workspace, folders)
    write(folders[0], "a.jsonl", rows(0, 3))
    made.score_new()
    deploy(workspace, other_release, 2)
    write(folders[0], "b.jsonl", rows(3, 3))
    made.score_new()
    found = [row for part in results(folders[1]).values() for row in part]
    assert {(row["version"], row["revision"]) for row in found} == {("v1", 1), ("v2", 2)}


def test_without_a_deployment_or_a_source_it_says_so(workspace, folders):
    write(folders[0], "a.jsonl", rows(0, 1))
    with pytest.raises(ServingError, match="Promote one first"):
        scoring(workspace, folders).score_new()
    with pytest.raises(ServingError, match="another one"):
        scoring(workspace, (folders[0], folders[0]))


def test_what_stands_beside_an_answer_is_what_the_server_says(workspace, folders, release):
    files = with_assurance(release)
    deploy(workspace, files, 1)
    digest = workspace.deployment("pumps").read().champion
    parts = [rows(0, 2), rows(2, 2)]
    parts[0][3]["starts"] = 90_000
    adjustment = Adjustment("pumps", "v1", digest, 1, AT, quantiles=(-3.0, 3.0))
    predictor, made = Predictor(files), scoring(workspace, folders)
    for name, part, change in zip(("a.jsonl", "b.jsonl"), parts, (None, adjustment), strict=True):
        if change is not None:
            workspace.adjustment("pumps").write(change)
            predictor.assurer.adjust(change)
        write(folders[0], name, part)
        made.score_new()
        body = json.dumps({"rows": part}).encode()
        beside = predictor.predict(predictor.decode(body, now=AT)).beside
        found = [
            row
            for lines in results(folders[1]).values()
            for row in lines
            if row["event_time"] in {one["event_time"] for one in part}
        ]
        assert [[row["low"], row["high"]] for row in found] == beside.intervals
        assert [row["unfamiliar"] for row in found] == beside.unfamiliar
        assert any(beside.unfamiliar) == (change is None)
    predictor.close()


def test_a_restart_remembers_the_rows_of_the_files_before(workspace, folders, release):
    deploy(workspace, release, 1)
    parts = [rows(0, 3), rows(3, 3), rows(6, 3)]
    for n, part in enumerate(parts):
        write(folders[0], f"{n}.jsonl", part)
        scoring(workspace, folders).score_new()
    found = {
        (row["event_time"], row["keys"]["pump"]): row["prediction"]
        for part in results(folders[1]).values()
        for row in part
    }
    given = [row for part in parts for row in part]
    assert [found[row["event_time"], row["pump"]] for row in given] == expected(release, parts)


def test_stop_ends_the_loop(workspace, folders, release):
    deploy(workspace, release, 1)
    made = scoring(workspace, folders)
    write(folders[0], "a.jsonl", rows(0, 1))
    thread = threading.Thread(target=made.run)
    thread.start()
    until = time.monotonic() + 60
    while not results(folders[1]):
        assert time.monotonic() < until
        time.sleep(0.05)
    made.stop()
    thread.join(30)
    assert not thread.is_alive()


def start(workspace, folders, dies_at):
    arguments = [workspace.home, *folders, dies_at]
    command = [sys.executable, "-m", "ml_assets_tests.serving.scoring_process"]
    return subprocess.Popen([*command, *map(str, arguments)], cwd=ROOT)


@pytest.mark.slow
def test_killed_at_any_point_no_row_is_lost_or_repeated(workspace, folders, release):
    deploy(workspace, release, 1)
    parts = [rows(3 * n, 3) for n in range(4)]
    for n, part in enumerate(parts):
        lines = [json.dumps(row) for row in part] + ["broken"]
        (folders[0] / f"{n}.jsonl").write_text("\n".join(lines))
    chance = np.random.default_rng(7)
    killed = 0
    for _ in range(40):
        process = start(workspace, folders, chance.integers(1, 14))
        if process.wait(timeout=120) == 0:
            break
        assert process.returncode == -signal.SIGKILL
        killed += 1
        outputs = results(folders[1])
        assert all(len(part) == 6 for part in outputs.values())
    assert killed >= 3
    scoring(workspace, folders).score_new()
    found = [row for part in results(folders[1]).values() for row in part]
    given = [row for part in parts for row in part]
    by_row = {(row["event_time"], row["keys"]["pump"]): row["prediction"] for row in found}
    assert len(found) == len(given)
    assert [by_row[row["event_time"], row["pump"]] for row in given] == expected(release, parts)
    rejected = [row["row"] for part in results(folders[1], "rejected").values() for row in part]
    assert rejected == [6] * 4


@pytest.mark.slow
def test_sigterm_ends_the_command_in_good_order(workspace, folders, release):
    deploy(workspace, release, 1)
    write(folders[0], "a.jsonl", rows(0, 1))
    environment = {**os.environ, "ML_ASSETS_HOME": str(workspace.home)}
    program = (
        "from ml_assets.cli import streaming; streaming.declared_problem = str; "
        "import typer; typer.run(streaming.score_stream)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "pumps", "--from", folders[0], "--to", folders[1]],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    until = time.monotonic() + 120
    while not results(folders[1]) and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "stopped" in said
    assert not list(folders[1].glob(".*.draft"))
