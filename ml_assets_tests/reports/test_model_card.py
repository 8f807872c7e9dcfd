"""The model card says what the model is for, from what it was made and where it ends."""

import dataclasses

from ml_assets.reports.formats import interval
from ml_assets.reports.model_card import card_sections, model_card
from ml_assets_tests.reports.html_checks import read


def test_card_has_its_sections_in_order(content):
    titles = [line[3:] for line in model_card(content).splitlines() if line.startswith("## ")]
    assert titles == [
        "Intended use",
        "Model",
        "Data lineage",
        "Metrics",
        "Limits and warnings",
        "Seed and versions",
        "Configuration",
    ]


def test_card_states_what_is_needed_to_make_the_model_again(content):
    card = model_card(content)
    assert "| Seed | 17 |" in card
    assert "| scikit-learn | 1.9.1 |" in card
    assert "Training window: 2024-01-01 00:00 UTC to 2024-03-28 00:00 UTC, 41,870 rows." in card
    assert "| max\\_iter | 240 |" in card


def test_card_states_each_metric_of_the_challenger_with_its_interval(content):
    card = model_card(content)
    for score in content.scores:
        if score.model == content.challenger:
            assert interval(score.low, score.high) in card


def test_page_and_markdown_show_the_same_card(content, report):
    page = read(report)
    for section in card_sections(content):
        cells = [cell for row in section.rows for cell in row]
        texts = (section.title, *section.texts, *section.items, *section.header, *cells)
        assert [text for text in texts if text not in page] == []


def test_tables_keep_their_columns_whatever_the_text(content):
    hostile = dataclasses.replace(content, configuration={"a|b\nc": "<img> `x` [y](z) | *w*"})
    row = model_card(hostile).split("| Setting | Value |\n| --- | --- |\n")[1].splitlines()[0]
    assert row == r"| a\|b c | &lt;img&gt; \`x\` \[y\](z) \| \*w\* |"


def test_owners_and_table_are_left_out_when_there_are_none(content):
    problem = dataclasses.replace(content.problem, owners=(), description="", unit="")
    bare = dataclasses.replace(content, problem=problem, configuration={})
    card = model_card(bare)
    assert "Setting" not in card
    assert "Predicts tip\\_position\\_mm (regression)" in card
