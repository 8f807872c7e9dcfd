"""Texts that many rows share are looked at once, and stay what they were."""

from hypothesis import given
from hypothesis import strategies as st

from ml_assets.core.text_levels import MOST_SEEN, Levels, SeenTexts, looked_up, texts_of

VALUES = st.one_of(st.none(), st.text(max_size=2), st.just(float("nan")), st.integers(0, 2))


@given(st.lists(st.lists(VALUES, min_size=1, max_size=40), min_size=1, max_size=6))
def test_a_column_holds_its_texts_whatever_came_before(columns):
    seen = SeenTexts()
    for values in columns:
        found = seen.levels(values)
        assert list(found) == texts_of(values)
        assert [found[n] for n in range(len(found))] == texts_of(values)
        assert list(found[1:3]) == texts_of(values)[1:3]
        assert list(found.take([0, 0])) == texts_of(values)[:1] * 2
        assert list(found.used()) == texts_of(values)
        assert set(found.used().texts) == set(texts_of(values))


def test_no_more_texts_are_remembered_than_are_worth_it():
    seen = SeenTexts()
    seen.levels([f"text {n}" for n in range(MOST_SEEN)])
    assert list(seen.levels(["new"])) == ["new"]
    assert len(seen.levels(["text 0"]).texts) == MOST_SEEN


def test_numbers_are_looked_up_for_each_text_once():
    column, asked = Levels.of(["b", None, "b", "a"]), []

    def length(text):
        asked.append(text)
        return float(len(text or ""))

    assert looked_up(column, length).tolist() == [1.0, 0.0, 1.0, 1.0]
    assert asked == ["b", None, "a"]
    assert looked_up(["b", None], length).tolist() == [1.0, 0.0]
