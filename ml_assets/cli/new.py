"""`ml-assets new`: from a file to a problem's folder."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, cast, get_args

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from ruamel.yaml import YAML

from ml_assets.cli.inference_summary import print_inference, print_trial
from ml_assets.components.scaffolder import checked_name, write_problem
from ml_assets.core.drafting import Draft, draft
from ml_assets.core.errors import DeclarationError, nearest
from ml_assets.core.inference import Asked, Doubt, Inference, infer
from ml_assets.core.problem import Problem, Task
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.sniffing import sniff
from ml_assets.storage.trial import Trial, advice, try_rows

DEFS_FOLDER = Path("ml_assets", "defs")


def new(  # noqa: PLR0917  typer makes options of the parameters
    name: Annotated[str, typer.Argument(help="Name of the problem, such as air_quality.")],
    file: Annotated[Path, typer.Option("--from", help="CSV, TSV, JSONL or Parquet; .gz too.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    time: Annotated[
        list[str] | None, typer.Option(help="Column of the event time; several are joined.")
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="Column that names the entity; may be repeated.")
    ] = None,
    label_delay: Annotated[
        str | None, typer.Option(help="When the truth is known, such as PT1H or P2D.")
    ] = None,
    time_format: Annotated[
        str | None, typer.Option(help="iso, epoch_s, epoch_ms or a strptime format.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="regression, binary or multiclass; else seen in the target.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where problems lie; by default ml_assets/defs.")
    ] = None,
) -> None:
    """Draft a problem from a file: its declaration, its contract and its features."""
    from ml_assets.cli.project import project_root  # noqa: PLC0415  brings the whole graph along

    root = project_root(Path.cwd())
    place = (root / DEFS_FOLDER if folder is None else folder.absolute()) / checked_name(name)
    if place.exists() and any(place.iterdir()):
        message = f"{place} is there already. Choose another name, or remove the folder first."
        raise DeclarationError(message)
    asked = Asked(
        target,
        time=tuple(time or ()),
        keys=tuple(key or ()),
        label_delay=_duration(label_delay),
        time_format=time_format,
        task=_task(task),
    )
    inference = inferred(file, asked, now=datetime.now(UTC))
    path = declared_path(file, root)
    console = Console()
    print_inference(console, inference, file=file)
    trial = tried(draft(inference, name=name, path=path), root=root)
    drafted = draft(with_reasons(inference, trial), name=name, path=path)
    # Only now: a draft that fails its trial must not stand in the way of the next one.
    write_problem(place, drafted.files)
    console.print(f"\nWritten: [bold]{place}[/bold] ({', '.join(drafted.files)})")
    print_trial(console, trial)
    console.print(f"  dg check defs\n  ml-assets materialize {name}", highlight=False)


def tried(drafted: Draft, *, root: Path) -> Trial:
    """Read the rows of a draft once, as the first run will.

    Args:
        drafted: The three files.
        root: Where relative paths start.

    Raises:
        DataError: If no row is valid.
    """
    with TemporaryDirectory() as folder:
        write_problem(Path(folder), drafted.files)
        return try_rows(check_loads(drafted, Path(folder)), root=root, now=datetime.now(UTC))


def with_reasons(inference: Inference, trial: Trial) -> Inference:
    """Return what was inferred, with the doubt that too many rows are rejected."""
    doubts = (Doubt(reason.column or "rows", advice(reason)) for reason in trial.reasons)
    return replace(inference, doubts=(*inference.doubts, *doubts))


def inferred(file: Path, asked: Asked, *, now: datetime) -> Inference:
    """Read a file and infer a problem from it.

    Args:
        file: The file.
        asked: What the user says.
        now: A file whose last row is long past is taken for closed.
    """
    sniffed = sniff(file)
    return infer(
        sniffed.table,
        sniffed.format,
        asked,
        unnamed=sniffed.names.unnamed,
        spelled=sniffed.names.spelled,
        complete=sniffed.complete,
        now=now,
    )


def declared_path(file: Path, root: Path) -> str:
    """Return a file's path as a declaration names it: from the project's root, if it lies there."""
    full = file.resolve()
    inside = full.is_relative_to(root.resolve())
    return (full.relative_to(root.resolve()) if inside else full).as_posix()


def check_loads(drafted: Draft, folder: Path) -> DeclaredProblem:
    """Load a written problem as Dagster will.

    Raises:
        DeclarationError: If the three files do not fit together.
    """
    attributes = YAML(typ="safe").load(drafted.defs)["attributes"]
    return DeclaredProblem.load(Problem.model_validate(attributes), folder)


def _duration(text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        return TypeAdapter(timedelta).validate_python(text)
    except ValidationError as error:
        message = f"--label-delay {text!r} is no duration. Write PT30M, PT1H, P2D or the like."
        raise DeclarationError(message) from error


def _task(text: str | None) -> Task | None:
    if text is not None and text not in get_args(Task):
        message = f"--task {text!r} is unknown. {nearest(text, get_args(Task))}"
        raise DeclarationError(message)
    return cast("Task | None", text)
