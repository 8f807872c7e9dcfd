"""The BentoML service: the routes, the release behind them, and how the process behaves."""

import gc
import os
import sys
from pathlib import Path
from typing import Any

import bentoml

from bentos.predictor.one_door import OneDoorService, routes
from bentos.predictor.orphan import end_with_parent
from bentos.predictor.settings import Settings

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
UV = "uv==0.13.8"  # as in the project's own lock: it checks the hashes of all that is installed
IMAGE = (
    # Of a distribution that BentoML knows it would install compilers first; all comes as wheels.
    bentoml.images.Image(
        base_image=f"python:{PYTHON}-slim",
        distro="custom",
        python_version=PYTHON,
        lock_python_packages=False,
    )
    .run(f"command -v uv >/dev/null || pip install --no-cache-dir --break-system-packages {UV}")
    .python_packages(Path(__file__).with_name("requirements.lock").read_text("utf-8"))
)
SWITCH_SECONDS = 0.001


# How the process behaves; the benchmark's empty endpoint behaves the same.
BEHAVIOUR: dict[str, Any] = {
    "workers": 1,  # the history of recent rows is one state; more processes would each have theirs
    "envs": [
        # One row leaves nothing to share out: threads only wait for each other.
        {"name": "OMP_NUM_THREADS", "value": "1"},
        {"name": "BENTOML_DO_NOT_TRACK", "value": "True"},
    ],
    "metrics": {"enabled": False},  # the built-in ones make a series of every path a stranger tries
    "logging": {"access": {"enabled": False}},  # the prediction log says it better
    "tracing": {"excluded_urls": ".*"},  # costs more than the rest of the request
}


@bentoml.service(name="predictor", image=IMAGE, service_class=OneDoorService, **BEHAVIOUR)
class PredictorService:
    """Answers for one problem."""

    def __init__(self) -> None:
        from bentos.predictor.draining import drain_before_stopping  # noqa: PLC0415
        from bentos.predictor.entrance import open_entrance  # noqa: PLC0415
        from bentos.predictor.routes import install  # noqa: PLC0415
        from bentos.predictor.serving import Serving  # noqa: PLC0415
        from bentos.predictor.structured_log import speak_json  # noqa: PLC0415
        from bentos.predictor.watcher import Watcher  # noqa: PLC0415

        speak_json()
        # What is imported stays: the collector need not look at it again with each batch of rows.
        gc.freeze()
        # The worker shares the interpreter with the event loop, which must not wait 5 ms for it.
        sys.setswitchinterval(SWITCH_SECONDS)
        end_with_parent()
        settings = Settings.from_environment(os.environ)
        self.serving = Serving(settings.spool)
        install(routes, self.serving)
        self.operations = open_entrance(routes, self.serving, settings)
        drain_before_stopping(self.serving.lane.drained)
        self.watcher = Watcher(self.serving, settings)
        self.watcher.start()

    @bentoml.on_shutdown
    def stop(self) -> None:
        """Answer what is queued and close the log."""
        self.watcher.stop()
        self.operations.close()
        self.serving.close()

    def __is_ready__(self) -> bool:
        return self.serving.loaded is not None and not self.serving.lane.closed
