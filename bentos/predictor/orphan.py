"""A worker does not outlive the process that started it.

BentoML gives each worker a session of its own. If the parent is killed, the worker would go on
to hold the port and to answer with whatever it had loaded, and nobody could stop it.
"""

import os
import signal
import threading
import time

POLL_SECONDS = 0.5


def end_with_parent() -> None:
    """Ask this process to end, as Ctrl-C would, once its parent is gone."""
    parent = os.getppid()
    threading.Thread(target=_watch, args=(parent,), name="orphan", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
