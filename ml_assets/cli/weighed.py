"""What a training came to, in two lines of the console."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ml_assets.storage.workspace import Workspace

SHOWN = 6
PLAIN = 1000  # from here on whole numbers


def weighed(workspace: Workspace, problem: str, cutoff: datetime) -> str:
    """Say what each model lost at a cutoff, the best first, and what was decided.

    Raises:
        ArtefactError: If nothing was evaluated at the cutoff.
    """
    outputs = workspace.outputs
    decision = outputs.read_json(problem, cutoff, "evaluation_report", "decision.json")
    found = outputs.read_json(problem, cutoff, "evaluation_report", "evaluation.json")
    metric, kinds = found["primary_metric"], found["kinds"]
    scores = [one for one in found["scores"] if one["metric"] == metric]
    best = sorted(scores, key=lambda one: one["value"] * (-1 if metric == "accuracy" else 1))
    told = ", ".join(_told(one) for one in best[:SHOWN])
    chosen = decision["model"]
    learned = f"\n{chosen!r} learns nothing: no candidate was better than this rule."
    return f"{metric}: {told}\n{decision['reason']}{learned if kinds[chosen] == 'baseline' else ''}"


def _told(score: Mapping[str, Any]) -> str:
    low, value, high = (_short(score[name]) for name in ("low", "value", "high"))
    return f"{score['model']} {value} ({low} to {high})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= PLAIN else f"{value:.4g}"
