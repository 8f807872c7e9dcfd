"""Who answers which key."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_assets.core.routing import place, routing_key, variant_for

KEYS = [f'["customer {number}"]' for number in range(20_000)]
SHARES = st.floats(0, 1)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("salt", ["plant/v2/2", "plant/v3/7"])
def test_the_share_holds(share, salt):
    taken = sum(variant_for(key, salt=salt, share=share) == "challenger" for key in KEYS)
    deviation = (share * (1 - share) / len(KEYS)) ** 0.5
    assert abs(taken / len(KEYS) - share) <= 4 * deviation


@given(key=st.text(), salt=st.text(), lower=SHARES, higher=SHARES)
def test_a_larger_share_takes_no_key_away_from_the_challenger(key, salt, lower, higher):
    lower, higher = sorted((lower, higher))
    if variant_for(key, salt=salt, share=lower) == "challenger":
        assert variant_for(key, salt=salt, share=higher) == "challenger"


@given(key=st.text(), salt=st.text(), share=SHARES)
def test_the_same_key_is_always_answered_by_the_same_version(key, salt, share):
    first = variant_for(key, salt=salt, share=share)
    assert {variant_for(key, salt=salt, share=share) for _ in range(3)} == {first}
    assert 0 <= place(key, salt=salt) < 1
    assert variant_for(key, salt=salt, share=0.0) == "champion"
    assert variant_for(key, salt=salt, share=1.0) == "challenger"


def test_two_experiments_are_independent():
    one, other = (np.array([place(key, salt=salt) for key in KEYS]) for salt in ("a", "b"))
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / len(KEYS) ** 0.5
    both = ((one < 0.5) & (other < 0.5)).mean()
    assert abs(both - 0.25) < 0.015


def test_salt_and_key_are_not_run_together():
    assert place("bc", salt="a") != place("c", salt="ab")


def test_the_place_of_a_key_is_the_same_everywhere():
    """A change here would move keys between versions in the middle of an experiment."""
    places = [round(place(key, salt="plant/v2/2"), 6) for key in KEYS[:3]]
    assert places == [0.553993, 0.650867, 0.522362]


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_what_is_no_share_is_refused(share):
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        variant_for("k", salt="s", share=share)


ROW = {"rig": "a", "site": 7, "load": None}


@pytest.mark.parametrize(
    ("columns", "keys", "expected"),
    [
        (("site",), ("rig",), "[7]"),
        ((), ("rig", "site"), '["a",7]'),
        ((), (), '["r1"]'),
        (("load",), ("rig",), "[null]"),
    ],
)
def test_a_row_is_routed_by_columns_then_keys_then_its_request(columns, keys, expected):
    assert routing_key(ROW, columns=columns, keys=keys, request_id="r1") == expected
