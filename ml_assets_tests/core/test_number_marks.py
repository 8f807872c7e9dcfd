"""Which marks the numbers of a file are written with, and when a file does not say."""

import pyarrow as pa
import pytest

from ml_assets.core.inference.marks import Marks
from ml_assets.core.inference.number_marks import number_marks
from ml_assets.core.inference.texts import Texts

GROUPED = ["999", "1.401", "12.310"] * 10


def marks_of(**columns):
    return number_marks(Texts(pa.table(columns)))


def words(doubts):
    return " ".join(f"{doubt.about}: {doubt.text}" for doubt in doubts)


@pytest.mark.parametrize(
    ("cells", "decimal", "thousands"),
    [
        (["1.017,13", "-177,27"], ",", "."),
        (["1,017.13", "177.27"], ".", ","),
        (["1.017.131", "5", "1.000"], ",", "."),
        (["1,017,131", "5", "0"], ".", ","),
        (["1 017,13", "0,5"], ",", " "),
        (["1\u202f017", "12"], ".", " "),
        (["1'017.13", "0.5"], ".", "'"),
        (["1.401", "2.350", "-4.125"], ".", None),
        (["1,401", "2,350", "12,310"], ".", None),
        (["1.401", "0.350"], ".", None),
        (["177,27", "0,5"], ",", None),
        (["192.168.100.200", "10.0.0.1"], ".", None),
        (["01.02.2025", "28.02.2025"], ".", None),
        (["plain", "words"], ".", None),
    ],
)
def test_marks_are_those_that_every_cell_can_be_read_with(cells, decimal, thousands):
    found, _ = marks_of(x=cells)
    assert (found.decimal, found.thousands) == (decimal, thousands)


def test_what_one_column_proves_holds_for_the_file():
    found, doubts = marks_of(count=GROUPED, weight=["177,27", "31,5", "1.017,13"] * 10)
    assert found == Marks(decimal=",", thousands=".")
    assert "'.' is taken to group digits by three" in words(doubts)
    dollars = marks_of(count=["1,204", "999"], price=["3.5", "12.25"])[0]
    assert dollars == Marks(decimal=".", thousands=",")


def test_most_fractions_may_look_like_groups_where_a_number_has_both_marks():
    found, _ = marks_of(a=GROUPED, b=GROUPED, weight=["1.017,13", *["5"] * 29])
    assert found == Marks(decimal=",", thousands=".")


def test_one_cell_that_contradicts_leaves_the_file_undeclared_and_is_named():
    weights, versions = ["177,27", "31,5", "1,25"] * 10, ["1.4", "2.0", "2.1"] * 10
    found, doubts = marks_of(count=GROUPED, weight=weights, height=weights, version=versions)
    assert found == Marks(decimal=",")
    assert "count: '1.401' looks like a number in groups" in words(doubts)
    assert "'1.4' in 'version' is not" in words(doubts)


def test_what_may_be_a_fraction_or_a_group_is_doubted():
    found, doubts = marks_of(count=["1,204", "999", "12,310"])
    assert found == Marks()
    assert "nothing proves it" in words(doubts)
    assert 'source.format.thousands: ","' in words(doubts)


def test_a_column_in_percent_is_one_whose_cells_all_have_the_sign():
    found, doubts = marks_of(share=["44,4 %", "3,25%", "NA"], promo=["Sale -20%", "10%", "x"])
    assert found == Marks(decimal=",", percent=("share",))
    assert "is read in percent" in words(doubts)
    mixed, doubts = marks_of(share=["44.4 %"] * 19 + ["0.444"])
    assert mixed.percent == ()
    assert "looks like a number with %, but '0.444' is none" in words(doubts)
