"""A version that serves in a rehearsal, and the trial that lets it through."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ml_assets.core.decision import Decision
from ml_assets.core.estimation.loss_estimator import LossEstimator
from ml_assets.core.evaluation import Evaluation, compare, gain_over
from ml_assets.core.gates import decide
from ml_assets.core.histories import adapting, earliest, judged_since
from ml_assets.core.judged_answers import JudgedAnswers
from ml_assets.core.loss_reading import UsualLoss
from ml_assets.core.monitoring_reference import learn_reference
from ml_assets.core.one_thread import one_thread
from ml_assets.core.problem import Problem
from ml_assets.core.reference import Reference
from ml_assets.core.rehearsal.fits import Fits
from ml_assets.core.rehearsal.past import Past
from ml_assets.core.training import Configuration
from ml_assets.core.training_set import TrainingSet
from ml_assets.core.walk_forward import Champion, walk_forward


@dataclass(frozen=True, eq=False)
class Version:
    """A model that serves, with what it is compared to.

    Attributes:
        name: In the ledger.
        configuration: What was fitted.
        model: As ``fit`` returned it.
        cutoff: Nothing known after it was used.
        reference: What production is compared with.
        usual: Its loss where it was judged, by ``logged_metric``.
        judged: Its answers there; None of a version that nobody estimates.
    """

    name: str
    configuration: Configuration
    model: Any
    cutoff: datetime
    reference: Reference
    usual: UsualLoss
    judged: JudgedAnswers | None = None

    @property
    def estimator(self) -> LossEstimator | None:
        """What estimates its losses without labels; learned when first asked for."""
        return None if self.judged is None else self.judged.loss_estimator


@dataclass(frozen=True, eq=False)
class Trial:
    """One retraining.

    Attributes:
        decision: What the gates said; None if they were not asked.
        version: Of which version.
        gain: Share of the champion's loss that it took away, on the rows they were compared on.
    """

    decision: Decision | None
    version: Version
    gain: float | None = None


def hold_trial(
    problem: Problem,
    past: Past,
    fits: Fits,
    *,
    cutoff: datetime,
    champion: Version | None,
    change: datetime | None,
    seed: int,
) -> Trial:
    """Train challengers at a cutoff and let the gates decide, as the training job does.

    Args:
        problem: Declares candidates, folds and gates.
        past: Everything; only what was known at the cutoff is used.
        fits: Makes the models.
        cutoff: When.
        champion: Who serves; None if nobody does yet.
        change: When the world changed, if the retraining answers a change.
        seed: Of the models and the resamples.

    Raises:
        DataError: If what was known does not suffice.
    """
    rows = past.known_by(cutoff, earliest(problem, cutoff))
    declared = [Configuration.of_candidate(one) for one in problem.candidates]
    if change is not None:
        declared = adapting(declared, problem.candidates, rows=rows, change=change)
    baselines = [Configuration.of_baseline(one, problem.task) for one in problem.baselines]
    serving = None if champion is None else Champion(champion.model, champion.cutoff)
    with one_thread():
        walk = walk_forward(
            problem,
            rows,
            [*declared, *baselines],
            champion=serving,
            seed=seed,
            change=judged_since(problem, rows, change),
            trainer=fits,
            jobs=1,
        )
    evaluation = compare(problem, walk, seed=seed)
    decision = decide(problem, evaluation, champion=serving.name if serving else None)
    by_name = {one.name: one for one in [*declared, *baselines]}
    version = version_of(problem, rows, evaluation, by_name[decision.model], fits, seed=seed)
    gain = gain_over(evaluation, decision.model, serving.name) if serving else None
    return Trial(decision, version, gain)


def trained_anew(
    problem: Problem, past: Past, fits: Fits, *, cutoff: datetime, like: Version, seed: int
) -> Trial:
    """Train a version's configuration at a cutoff and ask no gate.

    What its losses are compared with stays what the first evaluation said.
    """
    rows = past.known_by(cutoff, earliest(problem, cutoff))
    model = fits(like.configuration, rows, seed=seed)
    name = f"{cutoff:%Y%m%dT%H%M}-{like.configuration.name}"
    return Trial(None, replace(like, name=name, model=model, cutoff=cutoff))


def version_of(
    problem: Problem,
    rows: TrainingSet,
    evaluation: Evaluation,
    configuration: Configuration,
    fits: Fits,
    *,
    seed: int,
) -> Version:
    """Fit a configuration on all rows and keep what its evaluation says of it."""
    judged = JudgedAnswers.of(problem, evaluation, rows, configuration.name)
    return Version(
        name=f"{rows.cutoff:%Y%m%dT%H%M}-{configuration.name}",
        configuration=configuration,
        model=fits(configuration, rows, seed=seed),
        cutoff=rows.cutoff,
        reference=learn_reference(problem, evaluation, rows, configuration.name),
        usual=UsualLoss.of(judged.losses, judged.times),
        judged=judged,
    )
