"""The command that makes a container image of the champion."""

import shlex
from typing import Annotated, get_args

import typer
from rich.console import Console

from ml_assets.cli.project import enter_project, open_workspace
from ml_assets.components.loading import declared_problem
from ml_assets.core.api_keys import KEYS_FILE
from ml_assets.core.errors import DeclarationError, LedgerError, nearest
from ml_assets.storage.images import BuilderName, build_image, find_builder
from ml_assets.storage.workspace import Workspace


def containerize(
    problem: Annotated[str, typer.Argument(help="Name of the problem.")],
    image: Annotated[
        str | None, typer.Option(help="Name of the image; default: <problem>:<Bento's version>.")
    ] = None,
    base_image: Annotated[
        str | None, typer.Option(help="Build on this image; default: the official slim Python.")
    ] = None,
    builder: Annotated[
        str | None, typer.Option(help="docker, buildah or podman; default: the first that works.")
    ] = None,
    opt: Annotated[
        list[str] | None, typer.Option(help="Option for the builder: name or name=value; repeat.")
    ] = None,
) -> None:
    """Build a container image of the champion's Bento, and say how to run it."""
    enter_project()
    console = Console()
    declared_problem(problem)
    workspace = open_workspace()
    tag = _champions_bento(workspace, problem)
    found = find_builder(_builder(builder))
    with console.status(f"building with {found}"):
        built = build_image(
            tag,
            home=workspace.bentos,
            name=image or (tag if found == "docker" else f"localhost/{tag}"),
            builder=found,
            base_image=base_image,
            options=opt or (),
        )
    # Not wrapped: these lines are for copying.
    console.print(f"[bold]{built.name}[/] holds the champion of {problem}.", soft_wrap=True)
    console.print(f"SBOM: {built.bill} ({built.packages} packages and the model)", soft_wrap=True)
    keys = workspace.home / "served-keys"
    commands = (
        "ml-assets keys create NAME --scope predict",
        shlex.join(["install", "-D", "-m", "444", str(workspace.keys.path), f"{keys}/{KEYS_FILE}"]),
        shlex.join(built.run_command(spool=f"{problem}-spool", keys=keys)),
    )
    console.print(
        "Make a key, let the container's user read its hash, and run it:",
        *(f"  {command}" for command in commands),
        sep="\n",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )
    console.print("Next: curl localhost:3000/readyz, which needs no key; all else does.")


def _builder(name: str | None) -> BuilderName | None:
    for known in get_args(BuilderName):
        if name == known:
            return known
    if name is None:
        return None
    message = f"There is no builder {name!r}. {nearest(name, get_args(BuilderName))}"
    raise DeclarationError(message)


def _champions_bento(workspace: Workspace, problem: str) -> str:
    """Return the Bento of the version that serves, which a rollback may have chosen."""
    champion = workspace.ledger.champion(problem)
    if champion is not None:
        for entry in reversed(workspace.ledger.entries(problem)):
            if entry.version == champion.version and "bento" in entry.details:
                return entry.details["bento"]
    message = f"{problem!r} has no Bento yet. Run: ml-assets materialize {problem}"
    raise LedgerError(message)
