"""What was inferred from a file, as tables for a person; doubts are marked."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ml_assets.core.inference import Inference, Inferred
from ml_assets.storage.trial import Trial, advice


def print_inference(console: Console, inference: Inference, *, file: Path) -> None:
    """Print the facts, the columns and the doubts."""
    console.print(facts_table(inference, file))
    console.print(columns_table(inference))
    if inference.doubts:
        console.print("\n[yellow]Look at these:[/yellow]")
    for doubt in inference.doubts:
        console.print(
            f"  [yellow]?[/yellow] [bold]{escape(doubt.about)}[/bold]: {escape(doubt.text)}"
        )


def print_trial(console: Console, trial: Trial) -> None:
    """Print what became of the rows, and what comes next."""
    if not trial.reasons:
        broken = ", ".join(f"{broken.rows:,} by {broken.rule}" for broken in trial.broken)
        said = f"Read once as it will be: {trial.valid:,} rows valid, rejected: {broken or 0}."
        console.print(escape(said))
        console.print("Next: read defs.yaml, tighten contract.py, then")
        return
    console.print(
        f"\n[bold red]Read once as it will be: {trial.rejected:,} rows ({trial.share:.0%}) are "
        f"rejected, {trial.valid:,} are valid.[/bold red]"
    )
    for reason in trial.reasons:
        console.print(f"  [red]?[/red] {escape(advice(reason))}")
    console.print("Next: correct this in defs.yaml or contract.py, then")


def facts_table(inference: Inference, file: Path) -> Table:
    """Return what was inferred of the file as a whole."""
    pace, truth, time = inference.pace, inference.truth, inference.time
    doubted = {doubt.about for doubt in inference.doubts}
    table = Table(title=f"{file.name}: {inference.rows:,} rows", show_header=False)
    sequence = "the order of the rows" if time.sequence else ""
    told = sequence or f"{' + '.join(time.columns)} as {time.format}"
    rows = (
        ("time", told),
        ("span", f"{pace.start:%Y-%m-%d %H:%M} to {pace.last:%Y-%m-%d %H:%M}"),
        ("step", f"{pace.step}, kept by {pace.regular:.0%} of the rows"),
        ("partitions", f"{pace.partitions:,} by {pace.every}"),
        ("keys", ", ".join(inference.keys) or "none: one series"),
        ("target", f"{truth.column}: {truth.task}"),
        ("label.delay", str(truth.delay)),
        ("baselines", ", ".join(baseline.name for baseline in inference.baselines)),
    )
    for about, found in rows:
        table.add_row(f"{about} [yellow]?[/yellow]" if about in doubted else about, found)
    return table


def columns_table(inference: Inference) -> Table:
    """Return what was inferred of each column; doubts are marked."""
    doubted = {doubt.about for doubt in inference.doubts}
    table = Table("column", "in the contract", "kind", "missing", "seen", "used as")
    for column in inference.columns:
        mark = " [yellow]?[/yellow]" if column.name in doubted else ""
        if not column.in_contract:
            table.add_row(f"{column.source}{mark}", "", "", "", "", column.role, style="dim")
            continue
        missing = f"{column.missing:,}" if column.missing else ""
        name, seen = f"{column.name}{mark}", _seen(column)
        table.add_row(column.source, name, column.kind, missing, seen, column.role)
    return table


def _seen(column: Inferred) -> str:
    if column.low is not None and column.high is not None:
        return f"{column.low:g} to {column.high:g}"
    return f"{column.distinct:,} values"
