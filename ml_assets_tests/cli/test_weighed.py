"""The console says what a training came to."""

from datetime import UTC, datetime

import pytest

from ml_assets.cli.weighed import weighed
from ml_assets.storage.stage_outputs import as_json
from ml_assets.storage.workspace import Workspace

CUTOFF = datetime(2026, 3, 1, tzinfo=UTC)
KINDS = {"ridge": "candidate", "typical": "baseline"}


def told(tmp_path, metric, chosen, **values):
    scores = [
        {"model": model, "metric": one, "value": value, "low": value / 2, "high": value * 2}
        for model, value in values.items()
        for one in (metric, "bias")
    ]
    files = {
        "decision.json": {"model": chosen, "reason": f"{chosen!r} passes every gate."},
        "evaluation.json": {"primary_metric": metric, "kinds": KINDS, "scores": scores},
    }
    workspace = Workspace(tmp_path)
    workspace.outputs.put(
        "meters", CUTOFF, "evaluation_report", {name: as_json(one) for name, one in files.items()}
    )
    return weighed(workspace, "meters", CUTOFF)


@pytest.mark.parametrize(
    ("metric", "first"), [("mae", "ridge 8 (4 to 16)"), ("accuracy", "typical 11,910")]
)
def test_models_stand_in_order_of_what_they_lose(tmp_path, metric, first):
    said = told(tmp_path, metric, "ridge", typical=11910.0, ridge=8.0)
    assert said.startswith(f"{metric}: {first}")
    assert said.endswith("'ridge' passes every gate.")
    assert said.count("ridge") == 2


def test_a_rule_that_won_is_called_one(tmp_path):
    assert "learns nothing" in told(tmp_path, "mae", "typical", typical=1.0, ridge=2.0)
