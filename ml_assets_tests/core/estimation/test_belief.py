"""Which figure is believed, and why."""

import pytest

from ml_assets.core.estimation.belief import Figure, Known, believe

NONE = Figure()
NEAR = Figure(1.0, 0.9, 1.1)
FAR = Figure(2.0, 1.8, 2.2)


def known(**given):
    usual = {
        "answered": 100,
        "labelled": 0,
        "realised": NONE,
        "corrected": NONE,
        "estimated": NEAR,
        "audited": NONE,
        "audit_asked": 0,
        "audit_rows": 0,
    }
    return Known(**{**usual, **given})


AUDIT = {"audit_asked": 20, "audit_rows": 20}
ALL = {"labelled": 90, "realised": NEAR, "corrected": NEAR}


@pytest.mark.parametrize(
    ("given", "belief", "reason"),
    [
        (ALL, "realised", "the loss itself"),
        ({**ALL, **AUDIT, "audited": NEAR}, "realised", "the loss itself"),
        ({**ALL, **AUDIT, "audited": FAR}, "audited", "contradicts them"),
        ({**AUDIT, "audited": NEAR}, "audited", "20 rows drawn at random"),
        ({**ALL, "labelled": 30, **AUDIT, "audited": NEAR}, "audited", "30% of the labels"),
        ({**ALL, "labelled": 30}, "corrected", "as they did in earlier cohorts"),
        ({**ALL, "labelled": 30, "corrected": NONE}, "estimated", "blind"),
        ({**ALL, "labelled": 10}, "estimated", "blind"),
        ({"audit_asked": 20, "audit_rows": 9, "audited": NEAR}, "estimated", "9 rows are audited"),
        ({"audit_asked": 50, "audit_rows": 20, "audited": NEAR}, "estimated", "blind"),
        ({"estimated": NONE}, "none", "no estimator"),
    ],
)
def test_truth_goes_before_a_sample_and_a_sample_before_an_estimate(given, belief, reason):
    verdict = believe(known(**given))
    assert verdict.belief == belief
    assert reason in verdict.reason


def test_an_estimate_that_the_truth_contradicts_is_a_change_of_meaning():
    verdict = believe(known(**AUDIT, audited=FAR))
    assert verdict.concept_changed
    assert "no longer mean" in verdict.reason
    assert not believe(known(**AUDIT, audited=NEAR)).concept_changed
    assert not believe(known(estimated=FAR)).concept_changed
