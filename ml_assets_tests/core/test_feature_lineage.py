import pytest

from ml_assets.core.feature_lineage import feature_origins

TABLES = {
    "validated_data": ["rig", "event_time", "A", "b"],
    "labels": ["rig", "event_time", "y", "known_at"],
    "rigs": [],
}


def origins(sql):
    return {
        name: [f"{view}.{column}" for view, column in pairs]
        for name, pairs in feature_origins(sql, TABLES).items()
    }


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("SELECT a FROM validated_data", {"a": ["validated_data.A"]}),
        ("SELECT a AS Alpha FROM validated_data", {"Alpha": ["validated_data.A"]}),
        (
            "SELECT v.a + v.b AS s FROM validated_data v",
            {"s": ["validated_data.A", "validated_data.b"]},
        ),
        (
            "SELECT v.b - avg(v.A) OVER w AS d FROM validated_data v "
            "WINDOW w AS (PARTITION BY rig ORDER BY event_time)",
            {"d": ["validated_data.A", "validated_data.b"]},
        ),
        (
            "SELECT v.b, r.mass FROM validated_data v JOIN rigs r USING (rig)",
            {"b": ["validated_data.b"], "mass": ["rigs.mass"]},
        ),
        (
            "WITH past AS (SELECT known_at, avg(y) AS mean FROM labels GROUP BY 1) "
            "SELECT v.b, p.mean AS m FROM validated_data v "
            "ASOF LEFT JOIN past p ON p.known_at <= v.event_time",
            {"b": ["validated_data.b"], "m": ["labels.y"]},
        ),
        (
            "SELECT v.*, mass FROM validated_data v JOIN rigs USING (rig)",
            {
                "rig": ["validated_data.rig"],
                "event_time": ["validated_data.event_time"],
                "A": ["validated_data.A"],
                "b": ["validated_data.b"],
            },
        ),
        ("SELECT b, 1 AS one FROM validated_data", {"b": ["validated_data.b"]}),
        ("SELECT * FROM validated_data JOIN rigs USING (rig)", {}),
        ("SELECT COLUMNS('a.*') FROM validated_data", {}),
    ],
    ids=[
        "as it is",
        "renamed",
        "sum",
        "window",
        "reference",
        "with",
        "star",
        "constant",
        "star of the unknown",
        "pattern",
    ],
)
def test_each_column_names_those_it_is_made_from(select, expected):
    assert origins(select) == expected


def test_what_cannot_be_read_tells_nothing():
    assert origins("SELECT ((( FROM validated_data") == {}
