import pytest

from ml_assets.core.entity_scope import keeps_to_entity

APART = {
    "no window": "SELECT rig, event_time, x FROM validated_data",
    "partition by all keys": (
        "SELECT lag(x) OVER (PARTITION BY site, rig ORDER BY event_time) FROM validated_data"
    ),
    "named window": (
        "SELECT avg(x) OVER (w RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW) "
        "FROM validated_data AS v WINDOW w AS (PARTITION BY v.rig, v.site ORDER BY v.event_time)"
    ),
    "common table expression": (
        "WITH a AS (SELECT *, x * 2 AS y FROM validated_data) "
        "SELECT lag(y) OVER (PARTITION BY rig, site ORDER BY event_time) FROM a"
    ),
    "aggregate of a reference": (
        "SELECT v.x, (SELECT max(y) FROM rigs) AS y FROM validated_data AS v"
    ),
}
TOGETHER = {
    "no partition": "SELECT lag(x) OVER (ORDER BY event_time) FROM validated_data",
    "one key of two": (
        "SELECT lag(x) OVER (PARTITION BY rig ORDER BY event_time) FROM validated_data"
    ),
    "named window without keys": (
        "SELECT avg(x) OVER w FROM validated_data WINDOW w AS (ORDER BY event_time)"
    ),
    "self join": (
        "SELECT a.x FROM validated_data AS a JOIN validated_data AS b USING (event_time)"
    ),
    "expression read twice": (
        "WITH a AS (SELECT * FROM validated_data) "
        "SELECT p.x FROM a AS p JOIN a AS q USING (event_time)"
    ),
    "group": "SELECT event_time, max(x) FROM validated_data GROUP BY event_time",
    "distinct": "SELECT DISTINCT event_time FROM validated_data",
    "limit": "SELECT * FROM validated_data LIMIT 5",
    "aggregate in an expression": (
        "WITH a AS (SELECT max(x) AS m FROM validated_data) SELECT m FROM a"
    ),
    "union": "SELECT x FROM validated_data UNION SELECT x FROM rigs",
    "window in an expression": (
        "WITH a AS (SELECT *, lag(x) OVER (ORDER BY event_time) AS y FROM validated_data) "
        "SELECT * FROM a"
    ),
}


@pytest.mark.parametrize("sql", APART.values(), ids=APART.keys())
def test_entities_stay_apart(sql):
    assert keeps_to_entity(sql, ["rig", "site"])


@pytest.mark.parametrize("sql", TOGETHER.values(), ids=TOGETHER.keys())
def test_entities_may_see_each_other(sql):
    assert not keeps_to_entity(sql, ["rig", "site"])


def test_without_keys_there_is_one_entity():
    assert not keeps_to_entity(APART["no window"], [])
