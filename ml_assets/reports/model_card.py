"""The model card: what the model is for, what it was made from, where it must not be trusted."""

from collections.abc import Iterator
from dataclasses import dataclass

from ml_assets.reports.content import ReportContent
from ml_assets.reports.formats import (
    NONE,
    common_decimals,
    day,
    interval,
    minute,
    number,
    share,
)
from ml_assets.reports.metrics import metric_text
from ml_assets.reports.page import markdown_page


@dataclass(frozen=True, kw_only=True)
class CardSection:
    """One part of the card: sentences, and a table if it has a header."""

    title: str
    texts: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def model_card(content: ReportContent) -> str:
    """Return the model card as Markdown."""
    return markdown_page(
        "model_card.md.j2", content=content, sections=tuple(card_sections(content))
    )


def card_sections(content: ReportContent) -> Iterator[CardSection]:
    """Yield the card's sections; the HTML page and the Markdown file show the same."""
    yield _intended_use(content)
    yield _model(content)
    yield _training_data(content)
    yield _metrics(content)
    yield _limits(content)
    yield _versions(content)
    yield CardSection(
        title="Configuration",
        header=("Setting", "Value"),
        rows=tuple((name, value) for name, value in sorted(content.configuration.items())),
    )


def _intended_use(content: ReportContent) -> CardSection:
    problem = content.problem
    unit = f", in {problem.unit}" if problem.unit else ""
    purpose = f"Predicts {problem.target}{unit} ({problem.task}) for the problem {problem.name}."
    limit = (
        "It was judged for this target on the data named here, and for nothing else: data of "
        "another origin, or outside the ranges of its training window, is beyond its use."
    )
    texts = (purpose, problem.description, limit)
    return CardSection(title="Intended use", texts=tuple(text for text in texts if text))


def _model(content: ReportContent) -> CardSection:
    outcome = "promoted to champion" if content.decision.promote else "not promoted"
    return CardSection(
        title="Model",
        header=("What", "Value"),
        rows=(
            ("Name", content.challenger),
            ("Version", content.version),
            ("Estimator", content.provenance.estimator),
            ("Outcome", f"{outcome}: {content.decision.reason}"),
            ("Cutoff: nothing learned later is in it", minute(content.cutoff)),
            ("Judged", minute(content.made_at)),
            ("Owners", ", ".join(content.problem.owners) or NONE),
        ),
    )


def _training_data(content: ReportContent) -> CardSection:
    provenance = content.provenance
    window = (
        f"Training window: {minute(provenance.training_start)} to "
        f"{minute(provenance.training_end)}, {provenance.training_rows:,} rows."
    )
    rows = tuple(
        (row.what, row.version, f"{row.rows:,}", day(row.start), day(row.end))
        for row in content.data
    )
    return CardSection(
        title="Data lineage",
        texts=(window,),
        header=("Data", "Version", "Rows", "From", "To"),
        rows=rows,
    )


def _metrics(content: ReportContent) -> CardSection:
    own = [score for score in content.scores if score.model == content.challenger]
    rows = []
    for score in own:
        decimals = common_decimals([score])
        rows.append(
            (
                metric_text(score.metric).labelled(content.problem.unit),
                number(score.value, decimals),
                interval(score.low, score.high, decimals),
                f"{score.rows:,}",
            )
        )
    return CardSection(
        title="Metrics",
        header=("Metric", "Value", f"{share(content.confidence)} interval", "Rows"),
        rows=tuple(rows),
    )


def _limits(content: ReportContent) -> CardSection:
    rows = [score.rows for score in content.scores if score.model == content.challenger]
    judged = (
        f"Judged on {max(rows):,} rows known by {minute(content.cutoff)}. What changed since "
        "then, it has not seen."
        if rows
        else "It was not judged on any row."
    )
    return CardSection(
        title="Limits and warnings", items=(judged, *content.limits, *content.warnings)
    )


def _versions(content: ReportContent) -> CardSection:
    provenance = content.provenance
    libraries = tuple(sorted(provenance.libraries.items()))
    return CardSection(
        title="Seed and versions",
        header=("What", "Value"),
        rows=(("Seed", str(provenance.seed)), ("Code", provenance.code_version), *libraries),
    )
