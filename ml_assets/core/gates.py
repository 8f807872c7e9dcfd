"""The gates: what a model must show before it serves, and the decision that follows."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ml_assets.core.bounds import bound_rows
from ml_assets.core.comparison import MOMENTS_NEEDED, Comparison, PairedLosses
from ml_assets.core.decision import Decision, GateRow
from ml_assets.core.errors import DataError, nearest
from ml_assets.core.evaluation import LOSS, SLICE, Evaluation
from ml_assets.core.histories import FURTHER, declared_name
from ml_assets.core.problem import Problem

SMALLEST_SLICE = 30  # rows; below, a slice is too small to be judged by itself


def decide(
    problem: Problem,
    evaluation: Evaluation,
    challenger: str | None = None,
    champion: str | None = None,
) -> Decision:
    """Return whether a challenger may become champion.

    Args:
        problem: Declares the gates.
        evaluation: Of all models.
        challenger: A model named in advance; by default the ``contender`` of the evaluation. If it
            was picked for its losses in this evaluation, leave it out: the default allows for the
            picking, by an error divided by the number of candidates (Bonferroni).
        champion: Name of the champion in the evaluation; None if nothing serves yet.

    Raises:
        DataError: If the evaluation has no such model.
    """
    for name in (challenger, champion):
        if name is not None and name not in evaluation.kinds:
            known = nearest(name, evaluation.kinds)
            message = f"The evaluation has no model {name!r}. {known}"
            raise DataError(message)
    weighed = _Weighed(
        problem,
        evaluation,
        model=challenger or contender(problem, evaluation),
        champion=champion,
        picked_from=1 if challenger else max(1, len(_names(evaluation, "candidate"))),
    )
    rows = (weighed.evidence(),)
    if rows[0].passed:
        rows += tuple(weighed.gates())
    failed = [row for row in rows if not row.passed]
    return Decision(
        promote=not failed,
        model=weighed.model,
        reason=failed[0].explanation if failed else weighed.success(rows),
        rows=rows,
    )


def contender(problem: Problem, evaluation: Evaluation) -> str:
    """Return the model that deserves to be weighed, of those within the absolute bounds.

    That is the candidate with the least loss that is provably better than every baseline, else the
    best baseline. If no model is within the bounds, all are looked at. On the few rows since a
    change a candidate need not prove that again: it must not be provably worse.

    Where a model is let through without proof, one that leaves part of the past aside must be
    provably better than the same candidate with all of it: the newer model is presumed to be the
    better one because it has seen more, and this one has not.
    """
    models = [name for name, kind in evaluation.kinds.items() if kind != "champion"]
    models.sort(key=lambda name: evaluation.rows[LOSS + name].mean())
    within = [name for name in models if _within_bounds(problem, evaluation, name)]
    baselines = _names(evaluation, "baseline")
    for name in within or models:
        weighed = _Weighed(problem, evaluation, model=name, champion=None, picked_from=1)
        if name in baselines or not weighed.earns_its_way():
            continue
        if all(weighed.against(one).passed for one in baselines):
            return name
    fallback = [name for name in within or models if name in baselines]
    return (fallback or within or models)[0]


def _within_bounds(problem: Problem, evaluation: Evaluation, model: str) -> bool:
    return all(row.passed for row in bound_rows(problem.gates, evaluation, model))


def _names(evaluation: Evaluation, kind: str) -> list[str]:
    return [name for name, its_kind in evaluation.kinds.items() if its_kind == kind]


@dataclass(frozen=True, eq=False)
class _Weighed:
    """A model before the gates."""

    problem: Problem
    evaluation: Evaluation
    model: str
    champion: str | None
    picked_from: int

    @property
    def error(self) -> float:
        """Declared probability of a wrong verdict in one comparison."""
        return 1 - self.problem.gates.confidence

    def evidence(self) -> GateRow:
        """Gate: there are enough rows, at enough moments, to compare on."""
        needed = self.problem.gates.min_rows
        rows = self.evaluation.rows[LOSS + self.model].notna()
        where = "evaluated"
        if self.champion is not None:
            rows &= self.evaluation.rows[LOSS + self.champion].notna()
            where = f"after the cutoff of {self.champion!r}"
        moments = int(self.evaluation.rows["event_time"][rows].nunique())
        count = int(rows.sum())
        passed = count >= needed and moments >= MOMENTS_NEEDED
        short = f"{count} rows at {moments} times {where}"
        return GateRow(
            gate="evidence",
            bound=f">= {needed} rows, >= {MOMENTS_NEEDED} times",
            observed=float(count),
            passed=passed,
            explanation=f"{short}."
            if passed
            else (
                f"Insufficient evidence: {short}; {needed} rows at {MOMENTS_NEEDED} times are "
                f"needed. Wait for labels, or lower gates.min_rows."
            ),
        )

    def earns_its_way(self) -> bool:
        """Say whether a way of using the past may stand for its candidate; the declared one may."""
        whole = declared_name(self.model)
        if (
            whole == self.model
            or whole not in self.evaluation.kinds
            or self.problem.gates.promote_when != "unless_worse"
        ):
            return True
        return self._paired(whole).gain(level=self.error / len(FURTHER)).low > 0

    def gates(self) -> Iterator[GateRow]:
        """Yield every gate but the evidence."""
        yield from bound_rows(self.problem.gates, self.evaluation, self.model)
        if self.evaluation.kinds[self.model] == "candidate":
            yield from map(self.against, _names(self.evaluation, "baseline"))
        if self.champion is not None:
            yield self.against_champion(self.champion)
            yield from self.slices(self.champion)

    def against(self, baseline: str) -> GateRow:
        """Gate: a candidate's loss is provably below a baseline's; after a change, not above it."""
        level = self.error
        compared = self._paired(baseline).gain(level=level)
        if self.evaluation.change is not None:
            return self._no_loss_row(baseline, compared)
        return self._gain_row(f"better than {baseline}", baseline, compared)

    def against_champion(self, champion: str) -> GateRow:
        """Gate: provably better than the champion, or provably not much worse.

        A newer model is presumed to be the better one because it has seen more. A baseline is not:
        it takes a champion's place only if it lost no more on the same rows.
        """
        level, paired = self.error / self.picked_from, self._paired(champion)
        if self.problem.gates.promote_when == "better":
            compared = paired.gain(level=level)
            return self._gain_row("better than the champion", champion, compared)
        margin = self.problem.gates.margin
        compared = paired.worsening(level=level)
        if self.problem.gates.promote_when == "unless_worse":
            return self._unless_worse(champion, compared, margin)
        return GateRow(
            gate="not worse than the champion",
            bound=f"<= {margin:.1%} more loss",
            observed=compared.observed,
            low=compared.low,
            high=compared.high,
            passed=compared.high <= margin,
            explanation=(
                f"The loss of {self.model!r} ({self._metric}) is {compared.observed:+.2%} against "
                f"{champion!r}, below {compared.high:+.2%} with {1 - level:.4g} confidence; "
                f"{margin:+.1%} is allowed."
            ),
        )

    def _unless_worse(self, champion: str, compared: Comparison, margin: float) -> GateRow:
        is_baseline = self.evaluation.kinds[self.model] == "baseline"
        passed = compared.observed <= 0 if is_baseline else compared.low <= margin
        verdict = "no proof of more" if passed else "more, beyond doubt"
        allowed = f"{margin:+.1%} is allowed: {verdict}"
        return GateRow(
            gate=f"{'no worse' if is_baseline else 'not provably worse'} than the champion",
            bound=f"<= {0 if is_baseline else margin:.1%} more loss",
            observed=compared.observed,
            low=compared.low,
            high=compared.high,
            passed=passed,
            explanation=(
                f"The loss of {self.model!r} ({self._metric}) is {compared.observed:+.2%} against "
                f"{champion!r}, above {compared.low:+.2%} with {1 - compared.level:.4g} "
                f"confidence; {'a baseline may have no more' if is_baseline else allowed}."
            ),
        )

    def slices(self, champion: str) -> Iterator[GateRow]:
        """Yield a gate for each slice: not worse, beyond doubt, by more than the slice margin."""
        paired = self._paired(champion)
        common = self._common(champion)
        masks = {
            str(name).removeprefix(SLICE): column[common].to_numpy(dtype=bool)
            for name, column in self.evaluation.rows.items()
            if str(name).startswith(SLICE)
        }
        judged = {name: mask for name, mask in masks.items() if mask.sum() >= SMALLEST_SLICE}
        margin = self.problem.gates.slice_margin
        for name, mask in judged.items():
            compared = paired.worsening(level=self.error / len(judged), among=mask)
            passed = compared.low <= margin
            verdict = "no proof of more" if passed else "more, beyond doubt"
            yield GateRow(
                gate=f"slice {name}",
                bound=f"<= {margin:.1%} more loss",
                observed=compared.observed,
                low=compared.low,
                high=compared.high,
                passed=passed,
                explanation=(
                    f"Where {name}, the loss ({self._metric}) is {compared.observed:+.2%} against "
                    f"{champion!r} on {int(mask.sum())} rows; {margin:+.1%} is allowed: {verdict}."
                ),
            )

    def success(self, rows: tuple[GateRow, ...]) -> str:
        """Say why the model may serve."""
        if self.champion is not None:
            return next(row.explanation for row in rows if row.gate.endswith("the champion"))
        if self.evaluation.kinds[self.model] == "baseline":
            return (
                f"First champion: the baseline {self.model!r}, since no candidate is provably "
                f"better than every baseline within the declared bounds."
            )
        return f"First champion: {self.model!r} passes every gate."

    def _gain_row(self, gate: str, other: str, compared: Comparison) -> GateRow:
        passed = compared.low > 0
        verdict = "better" if passed else "not provably better"
        return GateRow(
            gate=gate,
            bound="difference > 0",
            observed=compared.observed,
            low=compared.low,
            high=compared.high,
            passed=passed,
            explanation=(
                f"{self.model!r} is {verdict} than {other!r}: the difference of their losses "
                f"({self._metric}) is {compared.observed:.4g}, and above {compared.low:.4g} with "
                f"{1 - compared.level:.4g} confidence."
            ),
        )

    def _no_loss_row(self, baseline: str, compared: Comparison) -> GateRow:
        passed = compared.high >= 0
        verdict = "not provably worse" if passed else "worse, beyond doubt,"
        return GateRow(
            gate=f"not provably worse than {baseline}",
            bound="difference not below 0",
            observed=compared.observed,
            low=compared.low,
            high=compared.high,
            passed=passed,
            explanation=(
                f"Since the change {self.model!r} is {verdict} than {baseline!r}: the difference "
                f"of their losses ({self._metric}) is {compared.observed:.4g}, and below "
                f"{compared.high:.4g} with {1 - compared.level:.4g} confidence."
            ),
        )

    @property
    def _metric(self) -> str:
        return self.evaluation.primary_metric

    def _common(self, other: str) -> np.ndarray:
        rows = self.evaluation.rows
        return (rows[LOSS + self.model].notna() & rows[LOSS + other].notna()).to_numpy()

    def _paired(self, other: str) -> PairedLosses:
        common = self.evaluation.rows[self._common(other)]
        return PairedLosses(
            self._metric,
            common[LOSS + self.model].to_numpy(),
            common[LOSS + other].to_numpy(),
            common["event_time"].to_numpy(dtype="datetime64[us]"),
            self.problem.seed,
        )
