"""The whole server without BentoML and without a port: routes, entrance and door."""

import asyncio
from pathlib import Path

import httpx
from starlette.applications import Starlette

from bentos.predictor.entrance import open_entrance
from bentos.predictor.routes import install
from bentos.predictor.serving import Serving
from bentos.predictor.settings import Settings
from ml_assets.core.release import digest_of

HERE, ELSEWHERE = "127.0.0.1", "192.0.2.7"


class Entrance:
    """A server in this process that is asked as if from some address."""

    def __init__(self, folder: Path, files: dict[str, bytes] | None) -> None:
        self.spool, self.keys = folder / "spool", folder / "keys" / "keys.json"
        self.deployment = folder / "deployment.json"
        self.serving = Serving(self.spool)
        self.app = Starlette()
        install(self.app, self.serving)
        settings = Settings(self.deployment, self.spool, keys=self.keys)
        self.operations = open_entrance(self.app, self.serving, settings)
        if files is not None:
            self.serving.serve(files, digest=digest_of(files), revision=1)

    def close(self) -> None:
        self.operations.close()
        self.serving.close()

    def ask(self, method, path, *, client=HERE, server=HERE, key=None, **given) -> httpx.Response:
        """Ask once; an error that leaves the application is raised here."""
        headers = {
            **({"authorization": f"Bearer {key}"} if key else {}),
            **given.pop("headers", {}),
        }

        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, client=(client, 4711))
            url = f"http://{server}:3000"
            async with httpx.AsyncClient(transport=transport, base_url=url) as opened:
                return await opened.request(method, path, headers=headers, **given)

        return asyncio.run(once())
