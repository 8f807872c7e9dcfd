"""The command that asks people for labels."""

import csv
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from ml_assets.cli.app import app
from ml_assets.core.errors import DataError
from ml_assets.storage.workspace import Workspace
from ml_assets_tests.storage.test_label_queue import OTHER, REQUEST


@pytest.fixture
def queue(tmp_path, monkeypatch):
    monkeypatch.setenv("ML_ASSETS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    queue = Workspace(tmp_path / "home").label_queue
    third = replace(REQUEST, identity="rig_3", request_id="c", why="drawn at random")
    queue.ask([REQUEST, OTHER, third])
    return queue


def typed(*lines, arguments=("--as", "ada")):
    return CliRunner().invoke(app, ["label", "plant", *arguments], input="\n".join([*lines, ""]))


def answers(queue):
    return {one.request_id: (one.answer, one.answered_by) for one in queue.answered("plant")}


def test_rows_are_shown_answered_skipped_and_left(queue):
    found = typed("21.5", "s", "20", "q")
    assert found.exit_code == 0, found.output
    for text in (
        "the model is unsure",
        "load",
        "3.5",
        "next_amplitude_mm (a number",
        "3 rows wait",
    ):
        assert text in found.output
    assert "2 answers by ada are stored; 1 rows wait" in found.output
    assert answers(queue) == {"a": ("21.5", "ada"), "c": ("20.0", "ada")}
    assert [one.request_id for one in queue.waiting("plant")] == ["b"]


def test_a_wrong_answer_is_explained_and_asked_again(queue):
    found = typed("much", "21.5", "q")
    assert "'much' is not a number" in found.output
    assert answers(queue) == {"a": ("21.5", "ada")}


def test_the_last_answer_is_taken_back_and_asked_again(queue):
    found = typed("21.5", "u", "22.5", "q")
    assert "taken back" in found.output
    assert answers(queue) == {"a": ("22.5", "ada")}
    assert "no answer of this session" in typed("u", "q").output


def test_the_end_of_the_input_is_the_end_of_the_session(queue):
    found = typed("21.5")
    assert found.exit_code == 0, found.output
    assert len(answers(queue)) == 1


def filled(tmp_path, *values):
    path = tmp_path / "answers.csv"
    assert "3 rows" in typed(arguments=("--export", str(path))).output
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["why"] for row in rows] == [
        "the model is unsure",
        "the model is unsure",
        "drawn at random",
    ]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        for row, value in zip(rows, values, strict=True):
            writer.writerow({**row, "answer": value})
    return ("--answers", str(path), "--as", "bob")


def test_a_file_of_answers_is_stored_whole(queue, tmp_path):
    found = typed(arguments=filled(tmp_path, "1", "", "3.5"))
    assert "2 answers by bob are stored" in found.output, found.output
    assert answers(queue) == {"a": ("1.0", "bob"), "c": ("3.5", "bob")}
    again = typed(arguments=("--answers", str(tmp_path / "answers.csv")))
    assert "0 answers" in again.output
    assert "2 had an answer before" in again.output


def test_one_wrong_answer_stores_nothing_of_a_file(queue, tmp_path):
    found = typed(arguments=filled(tmp_path, "1", "wide", "3"))
    assert isinstance(found.exception, DataError)
    assert "line 3: 'wide' is not a number" in str(found.exception)
    assert answers(queue) == {}


def test_a_file_that_is_not_one_is_refused(queue, tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("number,answer\n1,2\n")
    assert "lacks the columns ['id']" in str(typed(arguments=("--answers", str(path))).exception)
    path.write_text("id,answer\n99,2\n1,2\n1,3\n")
    refused = str(typed(arguments=("--answers", str(path))).exception)
    assert "no row with the id '99'" in refused
    assert "id 1 stands twice" in refused
    assert answers(queue) == {}
