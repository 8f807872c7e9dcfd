"""The command that says of faulty data: it has to be so."""

from rich.console import Console

from ml_assets.cli.versions import Problem, Reason, opened
from ml_assets.components.loading import declared_problem
from ml_assets.storage.acceptance import accept_data


def accept(problem: Problem, *, reason: Reason = "accepted by hand") -> None:
    """Take what looks like a fault of the data for the world as it is: it may be learned from."""
    workspace, console = opened(problem), Console()
    episode = accept_data(workspace, declared_problem(problem), reason=reason)
    console.print(
        f"{', '.join(episode.columns)} may be learned from as of now. The next look at drift "
        f"decides, and the gates. Next: ml-assets status {problem}",
        markup=False,
    )
