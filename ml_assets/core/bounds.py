"""The absolute gates: bounds on metrics that hold whatever served before."""

from collections.abc import Iterator

from ml_assets.core.decision import GateRow
from ml_assets.core.evaluation import Evaluation
from ml_assets.core.problem import Gates


def bound_rows(gates: Gates, evaluation: Evaluation, model: str) -> Iterator[GateRow]:
    """Yield a gate for each declared bound; the observed value decides, its interval is shown."""
    for metric, bound in gates.at_most.items():
        yield _row(evaluation, model, metric, "<=", bound)
    for metric, bound in gates.at_least.items():
        yield _row(evaluation, model, metric, ">=", bound)


def _row(evaluation: Evaluation, model: str, metric: str, sign: str, bound: float) -> GateRow:
    score = evaluation.score(model, metric)
    if score is None:
        return GateRow(
            gate=f"{metric} {sign} {bound:g}",
            bound=f"{sign} {bound:g}",
            observed=None,
            passed=False,
            explanation=f"{metric} of {model!r} was not computed, so its bound is not met.",
        )
    # A bias is best at zero: only its size is bounded.
    sized = metric == "bias"
    value = abs(score.value) if sized else score.value
    passed = value <= bound if sign == "<=" else value >= bound
    return GateRow(
        gate=f"{metric} {sign} {bound:g}",
        bound=f"{sign} {bound:g}",
        observed=score.value,
        low=score.low,
        high=score.high,
        passed=passed,
        explanation=(
            f"{'Size of ' if sized else ''}{metric} of {model!r} is {value:.4g}; "
            f"{sign} {bound:g} is declared."
        ),
    )
