"""Everything at once: no wrong answer, nothing lost, nothing twice."""

from collections import Counter

import pytest

from ml_assets_tests.serving.mixed_load.load import CALLERS, play
from ml_assets_tests.serving.mixed_load.moves import WAYS
from ml_assets_tests.serving.mixed_load.scene import open_scene

SECONDS = 45


@pytest.mark.serve
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_mixed_load_with_swaps_and_restarts_ends_without_a_wrong_or_lost_answer(
    bento, home, tmp_path
):
    with open_scene(tmp_path, bento=(bento, home)) as scene:
        played = play(scene, seconds=SECONDS, seed=7)
    told = played.report()
    assert played.judgement.faults == Counter(), told
    # The load was one: everything took place.
    assert {restart.way for restart in played.restarts} == set(WAYS), told
    assert len(set(played.swaps.moves)) >= 4, told
    acknowledged = {one.caller for one in played.journal.acknowledged}
    assert acknowledged == set(CALLERS) - {"leaving", "feedback", "operator"}, told
    statuses = {status for _, status in played.journal.replies}
    assert statuses >= {0, 200, 202, 400, 409, 422}, told
    assert played.judgement.figures["rows acknowledged"] > 500, told
