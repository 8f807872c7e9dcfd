"""The command that asks people for labels, one row after the other or from a file."""

import csv
import getpass
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ml_assets.cli.project import enter_project, open_workspace
from ml_assets.components.loading import declared_problem
from ml_assets.core.contract import Column
from ml_assets.core.errors import DataError
from ml_assets.core.label_answers import expected, read_answer
from ml_assets.storage.label_kinds import known_classes, label_column
from ml_assets.storage.label_queue import Answer, LabelQueue, LabelRequest

Problem = Annotated[str, typer.Argument(help="Name of the problem.")]
ID, ANSWER = "id", "answer"
SHOWN_FAULTS = 10
COMMANDS = {"s": "skip", "u": "undo", "q": "quit"}


def label(
    problem: Problem,
    answers: Annotated[
        Path | None, typer.Option(help="Answers of many rows: a CSV with the columns id, answer.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="Write the waiting rows as such a CSV, and stop.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--as", help="Who answers; default: your user's name.")
    ] = None,
) -> None:
    """Label rows of production that were drawn at random, or where the models are unsure."""
    enter_project()
    declared, workspace = declared_problem(problem), open_workspace()
    session = Session(
        problem=declared.problem.name,
        queue=workspace.label_queue,
        column=label_column(declared),
        classes=known_classes(workspace.lake, declared),
        by=name or getpass.getuser(),
        console=Console(),
    )
    if export is not None:
        session.export(export)
    elif answers is not None:
        session.take_file(answers)
    else:
        session.ask()


@dataclass
class Session:
    """One person in front of the queue.

    Attributes:
        problem: Name of the problem.
        queue: Rows that wait.
        column: What a label is.
        classes: The classes there are; empty for a number.
        by: Who answers.
        console: Where rows are shown.
        done: Numbers of the rows that were answered, oldest first.
    """

    problem: str
    queue: LabelQueue
    column: Column
    classes: Sequence[str]
    by: str
    console: Console
    done: list[int] = field(default_factory=list)

    def ask(self) -> None:
        """Show row after row until none waits, or the person quits."""
        seen: set[int | None] = set()
        while True:
            waiting = [one for one in self.queue.waiting(self.problem) if one.id not in seen]
            if not waiting:
                break
            match self._answer_to(waiting[0], left=len(waiting)):
                case "quit":
                    break
                case "skip":
                    seen.add(waiting[0].id)
                case "undo":
                    self._undo()
        self._say_end()

    def take_file(self, path: Path) -> None:
        """Store the answers of a file: all of them, or none if one is wrong.

        Raises:
            DataError: If the file or an answer cannot be read.
        """
        given = self._read(path)
        stored = self.queue.answer(given, by=self.by, at=datetime.now(tz=UTC))
        late = len(given) - stored
        told = f", {late} had an answer before" if late else ""
        self.console.print(f"{stored} answers by {escape(self.by)} are stored{told}.")
        self._say_next()

    def export(self, path: Path) -> None:
        """Write the waiting rows, with an empty column for the answer."""
        waiting = self.queue.waiting(self.problem)
        inputs = list(dict.fromkeys(name for one in waiting for name in one.details["inputs"]))
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([ID, ANSWER, "why", "prediction", *inputs])
            for one in waiting:
                values = [one.details["inputs"].get(name) for name in inputs]
                writer.writerow([one.id, "", one.why, one.details["prediction"], *values])
        self.console.print(
            f"{len(waiting)} rows are in {escape(str(path))}. Fill in 'answer'. Next: ml-assets "
            f"label {self.problem} --answers {escape(str(path))}",
            soft_wrap=True,
        )

    def _answer_to(self, request: LabelRequest, *, left: int) -> str:
        """Show a row and return what was done: answered, skip, undo or quit."""
        self._show(request, left=left)
        question = f"{self.column.name} ({expected(self.column, classes=self.classes)})"
        hint = ", ".join(f"{self._command(key)} {word}" for key, word in COMMANDS.items())
        while True:
            self.console.print(f"[bold]{escape(question)}[/]  [dim]{escape(hint)}[/]", end=" ")
            try:
                text = input("> ").strip()
            except EOFError:
                return "quit"
            word = COMMANDS.get(text.removeprefix(":"), text.removeprefix(":"))
            if word in COMMANDS.values() and (text.startswith(":") or not self._is_class(text)):
                if word == "skip" and request.id is not None:
                    self.queue.skip(request.id)
                return word
            try:
                found = read_answer(text, self.column, classes=self.classes)
            except DataError as error:
                self.console.print(f"[red]{escape(str(error))}[/]")
                continue
            self._store(request, found)
            return "answered"

    def _store(self, request: LabelRequest, found: str) -> None:
        number = request.id or 0
        if self.queue.answer([Answer(number, found)], by=self.by, at=datetime.now(tz=UTC)):
            self.done.append(number)
        else:
            self.console.print("[yellow]Someone else has answered this row meanwhile.[/]")

    def _undo(self) -> None:
        if not self.done:
            self.console.print("[yellow]There is no answer of this session to take back.[/]")
        elif self.queue.undo(self.done[-1]):
            self.done.pop()
            self.console.print("The last answer is taken back.")
        else:
            self.console.print(
                "[yellow]The last answer is ground truth by now, and stays. Send a correction to "
                "/feedback.[/]"
            )

    def _show(self, request: LabelRequest, *, left: int) -> None:
        table = Table(show_header=False, title=f"{left} rows wait", title_justify="left")
        table.add_row("when", f"{request.event_time:%Y-%m-%d %H:%M:%S} UTC")
        for name, value in request.details["inputs"].items():
            table.add_row(escape(name), "" if value is None else escape(str(value)))
        table.add_row(
            "[bold]prediction[/]", f"[bold]{escape(str(request.details['prediction']))}[/]"
        )
        table.add_row("why it is asked", escape(request.why))
        self.console.print(table)

    def _command(self, key: str) -> str:
        return f":{key}" if self._is_class(key) else key

    def _is_class(self, text: str) -> bool:
        return text in self.classes

    def _read(self, path: Path) -> list[Answer]:
        if not path.is_file():
            message = f"There is no file {path}. Write one with --export, and fill it in."
            raise DataError(message)
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            lacking = [name for name in (ID, ANSWER) if name not in (reader.fieldnames or ())]
            if lacking:
                message = f"{path} lacks the columns {lacking}: it needs {ID} and {ANSWER}."
                raise DataError(message)
            rows = list(enumerate(reader, start=2))
        known = {one.id for one in self.queue.waiting(self.problem)}
        known |= {one.id for one in self.queue.answered(self.problem)}
        found, faults = [], []
        for line, row in rows:
            if not (row[ANSWER] or "").strip():
                continue
            try:
                found.append(self._of_line(row, known))
            except DataError as error:
                faults.append(f"line {line}: {error}")
        numbers = [one.id for one in found]
        faults += [
            f"id {n} stands twice" for n in sorted({n for n in numbers if numbers.count(n) > 1})
        ]
        if faults:
            more = f" and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
            listed = "; ".join(faults[:SHOWN_FAULTS])
            message = f"Nothing of {path} is stored. {listed}{more}."
            raise DataError(message)
        return found

    def _of_line(self, row: dict[str, str], known: set[int | None]) -> Answer:
        text = (row[ID] or "").strip()
        if not text.isdecimal() or int(text) not in known:
            message = f"the queue of {self.problem} has no row with the id {text!r}"
            raise DataError(message)
        return Answer(int(text), read_answer(row[ANSWER], self.column, classes=self.classes))

    def _say_end(self) -> None:
        left = self.queue.count_waiting(self.problem)
        self.console.print(
            f"{len(self.done)} answers by {escape(self.by)} are stored; {left} rows wait."
        )
        self._say_next()

    def _say_next(self) -> None:
        self.console.print(
            "The feedback sensor makes them labels; by hand: "
            f"ml-assets materialize {self.problem} --job feedback, then --job truth"
        )
