"""Which partitions hold unusually few rows."""

from datetime import UTC, datetime, timedelta

import pandas as pd

from ml_assets.checks.volume_as_usual import unusually_low

START = datetime(2024, 1, 1, tzinfo=UTC)


def low(*rows, first=START, least=0):
    counts = pd.Series(rows, index=[START + timedelta(days=n) for n in range(len(rows))])
    found = unusually_low(counts, drop=0.5, least=least, first=first)
    return [(moment - START).days for moment in found.index]


def test_far_fewer_than_usual_or_none_at_all_is_low():
    assert low(24, 24, 11, 24, 0, 24) == [2, 4]


def test_data_may_begin_in_the_middle_of_the_first_partition():
    assert low(3, 24, 24, 24) == []
    assert low(3, 24, 24, 24, first=None) == [0]
    assert low(3, 24, 24, 24, least=5) == [0]


def test_rows_that_are_rarer_than_partitions_leave_most_of_them_empty():
    assert low(*[3, 0, 0, 0] * 4) == []
    assert low(3, 0, 0) == [1, 2]
