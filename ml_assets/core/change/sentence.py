"""A change in plain English."""

from collections.abc import Iterator

from ml_assets.core.bootstrap import Estimate
from ml_assets.core.change.attribution import EVERYWHERE
from ml_assets.core.change.decomposition import Decomposition
from ml_assets.core.change.label_shift import LabelShift
from ml_assets.core.change.parameters import ParameterShift
from ml_assets.core.change.report import ChangeReport

NAMED = 3
WORTH_NAMING = 0.1  # of the change


def sentence(report: ChangeReport, *, metric: str, classes: LabelShift | None = None) -> str:
    """Say what changed, since when, how much it costs and what it is due to."""
    parts = [_headline(report), *_parameter(report), *_loss(report, metric), *_why(report)]
    if report.kind == "label" and classes is not None:
        parts.insert(1, _shares_of_classes(classes))
    return " ".join(parts)


def _headline(report: ChangeReport) -> str:
    since = f"since {report.since:%Y-%m-%d %H:%M} UTC"
    match report.kind:
        case "data_fault":
            found = "; ".join(f"{', '.join(fault.columns)} {fault.says}" for fault in report.faults)
            return (
                f"The data are at fault {since}: {found}. Repair them; a model must not learn it."
            )
        case "concept":
            return f"The relation between features and truth has changed {since} (concept drift)."
        case "covariate":
            named = f": {_listed(report.columns)}" if report.columns else ""
            return f"Other rows come {since} (covariate drift){named}."
        case "label":
            return f"The classes' shares have changed {since} (label drift)."
        case "cannot_tell":
            return f"What changed {since} cannot be told yet."


def _parameter(report: ChangeReport) -> Iterator[str]:
    moved = report.parameter
    if moved is not None:
        yield _moved(moved)
        others = [one.name for one in report.parameters if one.moved and one is not moved]
        if others:
            yield f"{_listed(others)} moved less clearly."
    elif report.parameters:
        yield "No constant of the physical model is known to have moved."


def _moved(one: ParameterShift) -> str:
    way = "rose" if one.change > 0 else "fell"
    unit = "" if one.unit == "1" else f" {one.unit}"
    entities = "one entity" if one.entities == 1 else f"{one.entities} entities"
    return (
        f"{one.name} {way} from {one.before:.4g} to {one.after:.4g}{unit} "
        f"({one.change:+.3g}, 95 % interval {one.low:+.3g} to {one.high:+.3g}; {entities}"
        f"{', if nothing else moved' if one.alone else ''})."
    )


def _loss(report: ChangeReport, metric: str) -> Iterator[str]:
    found = report.decomposition
    if found is None:
        yield (
            f"Too few labels have come ({report.labelled}) to say what it costs "
            "or whether the relation holds."
        )
        return
    yield f"{metric} went from {found.before:.3g} to {found.after:.3g} ({_interval(found.total)})."
    if not found.overlaps:
        yield "Too few rows resemble the earlier ones to tell rows and relation apart."
    elif report.kind in ("concept", "covariate"):
        yield _taken_apart(found)


def _taken_apart(found: Decomposition) -> str:
    return (
        f"Due to the relation: {_interval(found.concept)}; "
        f"due to other rows: {_interval(found.covariate)}."
    )


def _why(report: ChangeReport) -> Iterator[str]:
    first = [one for one in report.shares if one.of != "slice" and one.share >= WORTH_NAMING]
    slices = [one for one in report.shares if one.of == "slice" and one.share >= WORTH_NAMING]
    if first:
        named = ", ".join(f"{one.name} ({one.share:.0%})" for one in first[:NAMED])
        alone = "it" if first[0].name == EVERYWHERE else "one"
        means = {
            "rows": "Each alone explains of it",
            "relation": f"A correction by {alone} alone would undo",
            "fault": "Repaired alone, it would undo",
        }
        yield f"{means[first[0].of]}: {named}."
    if slices:
        named = ", ".join(f"{one.name} ({one.share:.0%})" for one in slices[:NAMED])
        yield f"It lies most in: {named}."


def _shares_of_classes(classes: LabelShift) -> str:
    far = sorted(classes.before, key=lambda one: -abs(classes.after[one] - classes.before[one]))
    moves = [f"{one} {classes.before[one]:.0%} to {classes.after[one]:.0%}" for one in far[:NAMED]]
    return f"Shares: {', '.join(moves)}."


def _interval(estimate: Estimate) -> str:
    return f"{estimate.value:+.3g} [{estimate.low:+.3g}, {estimate.high:+.3g}]"


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)
