"""The Bento: the champion packed with what it needs, started and asked before it may serve."""

import dagster as dg

from ml_assets.assets.describe import result
from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.core.errors import ServingError
from ml_assets.storage.bento_validation import ValidationReport, validate_bento
from ml_assets.storage.bentos import build_bento
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.stage_outputs import as_json
from ml_assets.storage.workspace import Workspace


def bento(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """The promoted version as a Bento that was started for real and has shown that it answers.

    It must give the batch's predictions for the golden rows, answer within the declared latency and
    refuse malformed requests. Nothing is built when the champion stays.
    """
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "bento",
            stage="serving",
            kinds=["bentoml"],
            deps=[key_of(problem, "champion")],
            description=bento.__doc__,
        )
    )
    def _bento(
        context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult:
        cutoff = window_of(context).end
        move = workspace.outputs.read_json(problem.name, cutoff, "champion", "move.json")
        built = {"built": False, "version": move["version"]}
        facts = {"built": False, "version": move["version"], "reason": move["reason"]}
        pages = {}
        if move["promote"]:
            folder = workspace.artefacts.folder(move["release"])
            tag = build_bento(
                folder, problem=problem.name, version=move["version"], home=workspace.bentos
            )
            report = validate_bento(tag, folder, home=workspace.bentos)
            built = {"built": True, "version": move["version"], "tag": tag}
            facts = {**facts, **_figures(report), "built": True, "tag": tag}
            pages = {"checks": dg.MetadataValue.md(_checks(report))}
            if not report.passed:
                raise ServingError(_failure(report))
        workspace.outputs.put(problem.name, cutoff, "bento", {"bento.json": as_json(built)})
        return result(context, facts, pages)

    return _bento


def _checks(report: ValidationReport) -> str:
    lines = ["| check | expected | observed | passed |", "|---|---|---|---|"]
    lines += [
        f"| {row.check} | {row.expected} | {row.observed[:200]} | {_mark(row.passed)} |"
        for row in report.rows
    ]
    return "\n".join(lines)


def _figures(report: ValidationReport) -> dict[str, float]:
    numbers = {
        "start_seconds": report.start_seconds,
        "latency_ms": report.latency_ms,
        "memory_mb": report.memory_mb,
    }
    return {name: value for name, value in numbers.items() if value is not None}


def _mark(passed: bool) -> str:
    return "yes" if passed else "**no**"


def _failure(report: ValidationReport) -> str:
    failed = [row for row in report.rows if not row.passed]
    told = "\n".join(f"- {r.check}: expected {r.expected}, saw {r.observed}" for r in failed)
    return (
        f"The Bento {report.tag} must not serve; what serves now goes on.\n{told}\n"
        f"The end of its log:\n{report.log}"
    )
