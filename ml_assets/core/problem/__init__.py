"""The declaration of a problem, as frozen values that know no orchestrator."""

from ml_assets.core.problem.assurance import Interventions, PredictionInterval, Unfamiliar
from ml_assets.core.problem.base import Declaration
from ml_assets.core.problem.learning import (
    METRICS,
    ROW_LOSSES,
    Baseline,
    Candidate,
    Evaluation,
    Features,
    Gates,
    Interval,
    Label,
    LabelSource,
    Search,
    Slice,
    Task,
)
from ml_assets.core.problem.operation import (
    Alerts,
    Labelling,
    Monitoring,
    Quality,
    Retraining,
    Serving,
)
from ml_assets.core.problem.problem import Duplicates, Problem
from ml_assets.core.problem.source import (
    AddressSource,
    FilesSource,
    Format,
    Reference,
    Renames,
    SimulatorSource,
    Source,
    SqlSource,
)
from ml_assets.core.problem.time import EventTime, Partitions, Sequence
from ml_assets.core.problem.traffic import GuardRails, Promotion, Step, Traffic

__all__ = [
    "METRICS",
    "ROW_LOSSES",
    "AddressSource",
    "Alerts",
    "Baseline",
    "Candidate",
    "Declaration",
    "Duplicates",
    "Evaluation",
    "EventTime",
    "Features",
    "FilesSource",
    "Format",
    "Gates",
    "GuardRails",
    "Interval",
    "Interventions",
    "Label",
    "LabelSource",
    "Labelling",
    "Monitoring",
    "Partitions",
    "PredictionInterval",
    "Problem",
    "Promotion",
    "Quality",
    "Reference",
    "Renames",
    "Retraining",
    "Search",
    "Sequence",
    "Serving",
    "SimulatorSource",
    "Slice",
    "Source",
    "SqlSource",
    "Step",
    "Task",
    "Traffic",
    "Unfamiliar",
]
