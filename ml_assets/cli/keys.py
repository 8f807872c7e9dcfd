"""Commands for API keys."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from ml_assets.cli.project import enter_project, open_workspace
from ml_assets.core.api_keys import ApiKey
from ml_assets.core.errors import ServingError

keys = typer.Typer(
    help="API keys: who may ask the servers of this workspace.", no_args_is_help=True
)
_DURATION = TypeAdapter(timedelta)


@keys.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Who will use it.")],
    scope: Annotated[list[str], typer.Option(help="predict, feedback or admin; may be repeated.")],
    expires: Annotated[str | None, typer.Option(help="Lifetime, such as P90D.")] = None,
) -> None:
    """Make a key and print its secret, once: only a hash is kept."""
    enter_project()
    until = None if expires is None else datetime.now(tz=UTC) + _lifetime(expires)
    secret = open_workspace().keys.create(name, scope, expires=until)
    ends = f"until {until:%Y-%m-%d %H:%M} UTC" if until else "until it is revoked"
    Console(stderr=True).print(
        f"{name}: {', '.join(scope)}, {ends}. Keep the secret: it is not shown again. "
        "Servers that run know it already. From now on every request needs a key."
    )
    # Alone on the standard output, so that it can be piped into a secret store.
    typer.echo(secret)


@keys.command("list")
def list_keys() -> None:
    """Show all keys, without their secrets."""
    enter_project()
    found = open_workspace().keys.ring().keys
    console = Console()
    if not found:
        console.print(
            "No key: servers answer on this machine only. Next: ml-assets keys create NAME "
            "--scope predict"
        )
        return
    now = datetime.now(tz=UTC)
    table = Table("name", "scopes", "created", "expires", "state")
    for key in found:
        ends = f"{key.expires:%Y-%m-%d %H:%M}" if key.expires else "never"
        created = f"{key.created:%Y-%m-%d %H:%M}"
        table.add_row(key.name, ", ".join(key.scopes), created, ends, _state(key, now))
    console.print(table)


@keys.command("revoke")
def revoke(name: Annotated[str, typer.Argument(help="Name of the key.")]) -> None:
    """Let a key open nothing any more, in running servers too."""
    enter_project()
    open_workspace().keys.revoke(name)
    Console().print(f"{name} is revoked. Next: ml-assets keys list")


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked is not None:
        return f"revoked {key.revoked:%Y-%m-%d %H:%M}"
    return "usable" if key.usable(now) else "expired"


def _lifetime(text: str) -> timedelta:
    try:
        lifetime = _DURATION.validate_python(text)
    except ValidationError as error:
        message = f"{text!r} is no duration: write it as P90D or PT12H."
        raise ServingError(message) from error
    if lifetime <= timedelta(0):
        message = f"A key that lives for {text} opens nothing: write P90D or PT12H."
        raise ServingError(message)
    return lifetime
