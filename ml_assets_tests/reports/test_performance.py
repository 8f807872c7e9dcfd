"""The page on performance: three figures by cohort, and which to believe."""

from dataclasses import replace
from datetime import UTC, date, datetime

from ml_assets.reports.performance import largest_by_date, performance_page
from ml_assets.reports.performance_content import Band, CohortRow, PerformanceContent

ROW = CohortRow(
    date=date(2024, 1, 1),
    version="v<1>",
    answered=100,
    labelled=30,
    audit_asked=20,
    audit_rows=18,
    realised=Band(value=3.0, low=2.5, high=3.5),
    corrected=Band(value=2.2, low=1.9, high=2.6),
    estimated=Band(value=1.4, low=1.2, high=1.6),
    audited=Band(value=2.1, low=1.7, high=2.5),
    believed=Band(value=2.1, low=1.7, high=2.5),
    belief="audited",
    concept_changed=True,
    reason="18 rows drawn at random hold whatever the world does.",
)
NEXT = replace(ROW, date=date(2024, 1, 2), audited=Band(), believed=Band(), belief="none")
NOON = datetime(2024, 1, 3, 12, tzinfo=UTC)


def page(*cohorts):
    return performance_page(
        PerformanceContent(
            problem="pump",
            metric="mae",
            confidence=0.95,
            until=NOON,
            made_at=NOON,
            cohorts=cohorts,
            command="ml-assets label pump",
        )
    )


def test_the_page_says_what_to_believe_and_why():
    html = page(ROW)
    assert "Mean absolute error on 2024-01-01: 2.10 (1.70 to 2.50)" in html
    assert "Believe the audit. 18 rows drawn at random" in html
    assert "no longer mean what they meant" in html
    assert "corrected: 2.20 (1.90 to 2.60)" in html
    assert "18 of 20 rows" in html
    assert "v&lt;1&gt;" in html
    assert "v<1>" not in html


def test_a_date_without_a_figure_says_so():
    html = page(ROW, NEXT)
    assert "Nothing is known of 2024-01-02 yet" in html


def test_of_each_date_the_version_that_answered_most_is_drawn():
    small = replace(ROW, version="v2", answered=5)
    assert [row.version for row in largest_by_date([ROW, small, NEXT])] == ["v<1>", "v<1>"]
