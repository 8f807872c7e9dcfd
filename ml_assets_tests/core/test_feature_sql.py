"""What the text of features.sql gives away before it runs."""

import pytest

from ml_assets.core.errors import FeatureSqlError
from ml_assets.core.feature_sql import inspect

HONEST = [
    "SELECT event_time, x FROM validated_data",
    "WITH a AS (SELECT * FROM validated_data) SELECT a.event_time, a.x FROM a",
    "SELECT v.event_time, l.y FROM validated_data v "
    "ASOF LEFT JOIN labels l ON l.known_at <= v.event_time",
    "SELECT event_time, lag(x) OVER (PARTITION BY k ORDER BY event_time) FROM validated_data",
    "SELECT event_time, avg(x) OVER w FROM validated_data WINDOW w AS (ORDER BY event_time)",
    "SELECT event_time, r.a FROM validated_data JOIN rigs r USING (k)",
]
FOUND = {
    "SELECT event_time, lead(x) OVER (ORDER BY event_time) FROM validated_data": "later rows",
    "SELECT event_time, avg(x) OVER (PARTITION BY k) FROM validated_data": "without ORDER BY",
    "SELECT avg(x) OVER (ORDER BY event_time ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) "
    "FROM validated_data": "FOLLOWING",
    "SELECT avg(x) OVER w FROM validated_data "
    "WINDOW w AS (ORDER BY event_time DESC)": "descending order",
    "SELECT event_time, v.y FROM validated_data v": "known only after the event",
    "SELECT event_time, late FROM validated_data": "known only after the event",
    "SELECT event_time, now() FROM validated_data": "differs from run to run",
    "SELECT event_time, random() FROM validated_data": "differs from run to run",
    "SELECT * FROM read_csv('/etc/passwd')": "reads from outside",
    "SELECT * FROM validatd_data": "Did you mean 'validated_data'",
}


def findings(sql):
    return inspect(sql, target="y", after_event=["late"], references=["rigs"])


@pytest.mark.parametrize("sql", HONEST)
def test_honest_sql_has_no_finding(sql):
    assert findings(sql) == ()


@pytest.mark.parametrize(("sql", "words"), FOUND.items())
def test_each_way_to_cheat_is_found(sql, words):
    (found,) = findings(sql)
    assert words in str(found)


def test_the_line_is_named():
    (found,) = findings(
        "SELECT event_time,\n  lead(x) OVER (ORDER BY event_time)\nFROM validated_data"
    )
    assert found.line == 2


@pytest.mark.parametrize("sql", ["SELEC 1", "", "SELECT 1; SELECT 2", "DROP TABLE validated_data"])
def test_text_that_is_not_one_select_is_refused(sql):
    with pytest.raises(FeatureSqlError, match="SELECT"):
        findings(sql)
