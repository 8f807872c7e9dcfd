"""Everything around the answer, put together: what the server says of itself, and the door."""

from starlette.applications import Starlette

from bentos.predictor.door import put_door
from bentos.predictor.feedback_log import FeedbackLog
from bentos.predictor.keys import Guard
from bentos.predictor.measures import Measures
from bentos.predictor.operations import Operations
from bentos.predictor.serving import Serving
from bentos.predictor.settings import Settings


def open_entrance(app: Starlette, serving: Serving, settings: Settings) -> Operations:
    """Add the other routes and the door to an application that has not been asked yet.

    Args:
        app: Holds the routes that answer.
        serving: Holds the release that answers.
        settings: Where keys, feedback and the verdict on drift are.

    Returns:
        What has to be closed at the end.
    """
    guard, measures = Guard(settings.keys), Measures(serving, settings.drift)
    operations = Operations(serving, guard, measures, FeedbackLog(settings.spool))
    operations.install(app)
    put_door(app, serving=serving, guard=guard, measures=measures)
    return operations
