"""One folder (or bucket and database) that holds all a project writes."""

from datetime import datetime
from functools import cached_property
from pathlib import Path

from ml_assets.storage.adjustment_file import AdjustmentFile
from ml_assets.storage.alert_log import AlertLog
from ml_assets.storage.api_keys import KeyStore
from ml_assets.storage.artefacts import Artefacts
from ml_assets.storage.decisions import DecisionLog
from ml_assets.storage.deployment import DeploymentFile
from ml_assets.storage.files import FileManifest
from ml_assets.storage.label_queue import LabelQueue
from ml_assets.storage.lake import Lake
from ml_assets.storage.ledger import Ledger
from ml_assets.storage.profiles import ProfileStore
from ml_assets.storage.stage_outputs import StageOutputs
from ml_assets.storage.state import State


class Workspace:
    """Everything that outlives a run, by name.

    Args:
        home: Folder of artefacts, profiles, Bentos, logs and, by default, of lake and state.
        lake_url: Lake elsewhere, such as ``s3://bucket/lake``.
        state_url: SQLAlchemy URL of the decisions, such as ``postgresql+psycopg://…``.
    """

    def __init__(
        self, home: Path, *, lake_url: str | None = None, state_url: str | None = None
    ) -> None:
        self.home = home.absolute()
        self.lake_url = lake_url or str(self.home / "lake")
        self.state_url = state_url or f"sqlite:///{self.home / 'state.db'}"

    @cached_property
    def lake(self) -> Lake:
        """Tables."""
        return Lake(self.lake_url)

    @cached_property
    def state(self) -> State:
        """The database of decisions."""
        self.home.mkdir(parents=True, exist_ok=True)
        return State(self.state_url)

    @cached_property
    def ledger(self) -> Ledger:
        """The history of versions."""
        return Ledger(self.state)

    @cached_property
    def files(self) -> FileManifest:
        """Files that were read, or set aside."""
        return FileManifest(self.state)

    @cached_property
    def decisions(self) -> DecisionLog:
        """Why the system retrained, and why it did not."""
        return DecisionLog(self.state)

    @cached_property
    def alerts(self) -> AlertLog:
        """What people were told."""
        return AlertLog(self.state)

    @cached_property
    def label_queue(self) -> LabelQueue:
        """Rows whose truth was asked for."""
        return LabelQueue(self.state)

    @cached_property
    def artefacts(self) -> Artefacts:
        """Models, reports and releases, by content."""
        return Artefacts(self.home / "artefacts")

    @cached_property
    def outputs(self) -> StageOutputs:
        """What training stages hand to each other."""
        return StageOutputs(self.home / "outputs", self.artefacts)

    @cached_property
    def profiles(self) -> ProfileStore:
        """Production profiles by problem, version and hour."""
        return ProfileStore(self.home / "profiles")

    @property
    def cache(self) -> Path:
        """Downloads."""
        return self.home / "cache"

    @property
    def bentos(self) -> Path:
        """BentoML's home."""
        return self.home / "bentos"

    @property
    def spool(self) -> Path:
        """Prediction logs as the server writes them."""
        return self.home / "spool"

    @property
    def keys(self) -> KeyStore:
        """Who may ask the servers."""
        return KeyStore(self.home / "keys")

    def report(self, problem: str, cutoff: datetime) -> Path:
        """Return where the page on a cutoff is."""
        return self.home / "reports" / problem / f"{cutoff:%Y-%m-%dT%H%M}.html"

    def performance_page(self, problem: str) -> Path:
        """Return where the page on performance in production is."""
        return self.home / "reports" / problem / "performance.html"

    def deployment(self, problem: str) -> DeploymentFile:
        """Return the place where a problem's deployment is announced."""
        return DeploymentFile(self.home / "deployments" / problem)

    def adjustment(self, problem: str) -> AdjustmentFile:
        """Return the place where servers are told how to adjust their answers."""
        return AdjustmentFile(self.deployment(problem).folder)
