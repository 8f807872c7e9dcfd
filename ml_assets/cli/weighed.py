"""What a training came to, in two lines of the console."""

from datetime import datetime

from ml_assets.storage.workspace import Workspace

SHOWN = 6


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


def _told(score: dict) -> str:
    between = "" if score["low"] is None else f" ({score['low']:.4g} to {score['high']:.4g})"
    return f"{score['model']} {score['value']:.4g}{between}"
