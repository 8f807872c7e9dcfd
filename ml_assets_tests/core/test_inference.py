"""What is inferred from texts: each finding by itself."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_assets.core.drafting import draft
from ml_assets.core.errors import DataError
from ml_assets.core.inference import Asked, infer
from ml_assets.core.problem import Format

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOURS = pd.date_range("2024-01-01", periods=400, freq="h")


def chance(seed=0):
    return np.random.default_rng(seed)


def inferred(columns, target="y", **asked):
    """Infer from columns of any values, as text; a target is added if there is none."""
    rows = len(next(iter(columns.values())))
    columns = {"y": chance(9).random(rows).round(4)} | columns
    texts = {
        name: [None if value is None else str(value) for value in values]
        for name, values in columns.items()
    }
    unnamed, complete = asked.pop("unnamed", ()), asked.pop("complete", True)
    spelled = asked.pop("spelled", {})
    return infer(
        pa.table(texts),
        Format(kind="csv"),
        Asked(target, **asked),
        unnamed=unnamed,
        spelled=spelled,
        complete=complete,
        now=asked.pop("now", NOW),
    )


def column(inference, name):
    return next(found for found in inference.columns if found.name == name)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M"),
        ("%m-%d-%y %I:%M %p", "%m-%d-%y %I:%M %p"),
        ("%Y-%m-%dT%H:%M:%SZ", "iso"),
        ("%Y%m%d%H", "%Y%m%d%H"),
        ("%Y%m%d:%H%M", "%Y%m%d:%H%M"),
        ("%d-%b-%Y %H.%M", "%d-%b-%Y %H.%M"),
        ("%B %d, %Y %H:%M:%S", "%B %d, %Y %H:%M:%S"),
        ("%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %Y"),
    ],
)
def test_the_order_of_day_and_month_is_settled_by_all_rows(form, expected):
    found = inferred({"at": HOURS.strftime(form)})
    assert found.time.format == expected
    assert found.pace.step == timedelta(hours=1)
    assert found.pace.start == HOURS[0].to_pydatetime().replace(tzinfo=UTC)


def test_an_ambiguous_order_of_day_and_month_is_refused():
    days = [f"{day:02d}/{month:02d}/2024" for month in range(1, 13) for day in range(1, 13)]
    shuffled = list(chance().permutation(days))
    with pytest.raises(DataError, match=r"'%d/%m/%Y' or as '%m/%d/%Y'.*--time-format"):
        inferred({"at": shuffled})
    assert inferred({"at": shuffled}, time=("at",), time_format="%m/%d/%Y").time.format == (
        "%m/%d/%Y"
    )


def test_the_order_of_the_file_may_settle_it_and_is_doubted():
    days = [f"{day:02d}/{month:02d}/2024" for month in range(1, 13) for day in range(1, 13)]
    found = inferred({"at": days})
    assert found.time.format == "%d/%m/%Y"
    assert any("keeps the file's order" in doubt.text for doubt in found.doubts)


def test_a_number_is_no_time_unless_its_name_or_its_order_says_so():
    epoch = (HOURS.astype("int64") // 10**9).to_numpy()
    assert inferred({"a": chance().permutation(epoch)}).time.sequence is not None
    assert inferred({"a": epoch}).time.format == "epoch_s"
    assert inferred({"ts": chance().permutation(epoch)}).time.format == "epoch_s"


def test_the_start_of_an_event_is_its_time_and_its_end_is_late():
    end = HOURS + pd.to_timedelta(chance().integers(1, 50, 400), unit="min")
    found = inferred({"dropoff_datetime": end, "pickup_datetime": HOURS})
    assert found.time.columns == ("pickup_datetime",)
    assert column(found, "dropoff_datetime").role == "after_event"


def test_entities_are_what_makes_shared_times_unique():
    sites = [f"s{n}" for n in range(5)]
    rows = [(hour, site, n % 7) for n, hour in enumerate(HOURS) for site in sites]
    at, site, count = zip(*rows, strict=True)
    assert inferred({"at": at, "count": count, "site": site}).keys == ("site",)


def test_rows_of_one_moment_without_entities_are_twins_and_not_a_key():
    weather = chance().choice(["rain", "snow", "fog", "sun", "haze"], 460)
    at = sorted([*HOURS, *HOURS[:60]])
    found = inferred({"at": at, "weather": weather})
    assert found.keys == ()
    assert any("60 of 460 rows share their identity" in doubt.text for doubt in found.doubts)


def test_steps_that_start_anew_for_each_entity_stand_for_time():
    rows = [(unit, cycle) for unit in range(1, 9) for cycle in range(1, 40 + unit)]
    unit, cycle = zip(*rows, strict=True)
    found = inferred({"unit": unit, "Cycle": cycle})
    assert found.time.sequence.column == "cycle"
    assert found.keys == ("unit",)
    assert column(found, "cycle").role == "feature"


@pytest.mark.parametrize("value", [-999, -200, 9999])
def test_a_repeated_value_far_from_the_rest_is_missing(value):
    values = chance().normal(20, 3, 400).round(2)
    values[::50] = value
    found = inferred({"at": HOURS, "temp": values})
    assert found.format.sentinels == {"temp": (float(value),)}
    assert column(found, "temp").missing == 8


@pytest.mark.parametrize(
    "values",
    [
        chance().choice([-1, 0, 1], 400),
        chance().integers(-300, 300, 400),
        np.where(np.arange(400) == 7, -999, chance().normal(20, 3, 400).round(2)),
        chance().integers(0, 100, 400),
        np.where(np.arange(400) % 9 == 0, -1, chance().integers(0, 50, 400)),
    ],
    ids=["codes", "within", "once", "percent", "near"],
)
def test_a_value_that_may_be_one_is_no_sentinel(values):
    assert inferred({"at": HOURS, "v": values}).format.sentinels == {}


def test_none_is_a_category_among_texts_and_missing_among_numbers():
    words = chance().choice(["None", "Easter"], 400)
    numbers = np.where(np.arange(400) % 40 == 0, "None", chance().random(400).round(3).astype(str))
    texts = inferred({"at": HOURS, "holiday": words})
    assert texts.format.null_words == ("",)
    assert column(texts, "holiday").allowed == ("Easter", "None")
    assert inferred({"at": HOURS, "rain": numbers}).format.null_words == ("", "None")


@pytest.mark.parametrize(
    ("target", "task"),
    [
        (chance().choice(["UP", "DOWN"], 400), "binary"),
        (chance().integers(0, 2, 400), "binary"),
        (chance().choice(["True", "False"], 400), "binary"),
        (chance().choice(["a", "b", "c"], 400), "multiclass"),
        (chance().integers(3, 8, 400), "multiclass"),
        (chance().integers(0, 500, 400), "regression"),
        (chance().choice([0.5, 1.5, 2.5], 400), "regression"),
    ],
)
def test_the_task_is_seen_in_the_target(target, task):
    found = inferred({"at": HOURS, "y": target})
    assert found.truth.task == task
    assert len(found.truth.classes) == (0 if task == "regression" else len(set(target)))


@pytest.mark.parametrize("target", [["one"] * 400, [f"t{n}" for n in range(400)]])
def test_a_target_that_cannot_be_learned_is_refused(target):
    with pytest.raises(DataError, match="y"):
        inferred({"at": HOURS, "y": target})


def test_columns_that_add_up_to_the_target_are_late():
    one, two = chance(1).integers(0, 90, 400), chance(2).integers(0, 90, 400)
    found = inferred({"at": HOURS, "one": one, "two": two, "y": one + two})
    assert {late.name for late in found.having("after_event")} == {"one", "two"}


def test_a_column_against_its_recent_mean_is_late():
    price = pd.Series(chance(3).normal(0, 1, 400).cumsum())
    up = (price > price.shift().rolling(24).mean()).map({True: "UP", False: "DOWN"})
    found = inferred({"at": HOURS, "price": price.round(6), "y": up})
    assert column(found, "price").role == "after_event"
    assert "24 previous values" in column(found, "price").why


def test_a_column_that_is_filled_for_one_class_only_is_late():
    left = chance(4).random(400) < 0.1
    reason = np.where(left, chance(5).choice(["price", "moved"], 400), None)
    found = inferred({"at": HOURS, "reason": reason, "y": np.where(left, "Yes", "No")})
    assert column(found, "reason").role == "after_event"
    assert column(found, "reason").why == "whether reason is filled"


def test_a_running_number_and_a_constant_are_no_features():
    found = inferred({"at": HOURS, "instant": range(1, 401), "site": ["a"] * 400})
    assert column(found, "instant").role == "ignored"
    assert column(found, "site").role == "plain"


def test_values_that_come_or_go_are_not_frozen():
    year = [0] * 200 + [1] * 200
    season = chance().integers(1, 5, 400)
    found = inferred({"at": HOURS, "yr": year, "season": season})
    assert column(found, "yr").allowed is None
    assert column(found, "season").allowed == (1, 2, 3, 4)


def test_nothing_is_frozen_from_a_part_of_the_file():
    values = chance().normal(0, 1, 400)
    bounded, free = (
        column(inferred({"at": HOURS, "v": values}, complete=complete), "v")
        for complete in (True, False)
    )
    assert bounded.at_least is not None
    assert bounded.at_least <= values.min() - (values.max() - values.min()) * 0.99
    assert (free.at_least, free.at_most) == (None, None)


def test_leading_zeros_are_names():
    codes = chance().choice(["007", "010", "123"], 400)
    assert column(inferred({"at": HOURS, "code": codes}), "code").kind == "string"


def test_a_file_that_ends_now_stays_open_and_an_old_one_is_closed():
    frame = {"at": HOURS}
    assert inferred(frame).pace.end == datetime(2024, 1, 17, 16, tzinfo=UTC)
    texts = pa.table({"at": [str(hour) for hour in HOURS], "y": [str(n) for n in range(400)]})
    fresh = infer(texts, Format(kind="csv"), Asked("y"), now=datetime(2024, 1, 20, tzinfo=UTC))
    assert fresh.pace.end is None


def test_a_name_in_other_letters_is_its_own_column_and_may_tell_the_time():
    columns = {"seen": chance(1).random(400), "Seen [3]": HOURS}
    found = inferred(columns, spelled={"Seen [3]": "Seen"}, time=("Seen",))
    assert found.time.columns == ("Seen",)
    assert (column(found, "Seen").source, column(found, "Seen").role) == ("Seen", "time")
    assert column(found, "seen_2").source == "seen"
    assert found.renames == {"seen": "seen_2"}
    assert any("differs from 'Seen' by case only" in doubt.text for doubt in found.doubts)


def german(numbers, digits):
    return [f"{n:,.{digits}f}".translate(str.maketrans(",.", ".,")) for n in numbers]


def test_grouped_digits_and_percent_become_numbers_and_are_declared():
    found = inferred(
        {
            "at": HOURS,
            "y": german(chance(3).random(400) * 3000, 2),
            "Count": german(range(700, 1100), 0),
            "share": [f"{text} %" for text in german(chance().random(400) * 100, 1)],
        }
    )
    assert (found.format.decimal, found.format.thousands) == (",", ".")
    assert found.format.percent == ("share",)
    assert (column(found, "count").kind, column(found, "count").high) == ("integer", 1099)
    assert column(found, "share").kind == "float"
    assert column(found, "y").high > 2900
    text = draft(found, name="x", path="x.csv").defs
    assert 'thousands: "."' in text
    assert "percent: [share]" in text


def test_names_of_columns_are_taken_in_either_spelling():
    found = inferred({"at": HOURS, "NO2(GT)": chance().random(400)}, target="no2_gt")
    assert found.truth.column == "no2_gt"
    assert found.renames["NO2(GT)"] == "no2_gt"
    with pytest.raises(DataError, match="Did you mean 'NO2\\(GT\\)'"):
        inferred({"at": HOURS, "NO2(GT)": chance().random(400)}, target="NO2GT")


def test_few_rows_are_refused():
    with pytest.raises(DataError, match="at least 20"):
        inferred({"at": HOURS[:10]})


def test_a_long_delay_pushes_lags_back():
    found = inferred({"at": pd.date_range("2024-01-01", periods=2000, freq="h")})
    late = inferred(
        {"at": pd.date_range("2024-01-01", periods=2000, freq="h")},
        label_delay=timedelta(days=2, hours=3),
    )
    now, then = (draft(each, name="x", path="x.csv").features for each in (found, late))
    assert "y_1d_ago" in now
    assert "y_2d_ago" in now
    assert "y_2d_ago" not in then
    assert "y_3d_ago" in then


def test_texts_are_stable():
    columns = {"at": HOURS, "site": ["a", "b"] * 200, "v": chance().random(400).round(3)}
    first, second = (draft(inferred(columns), name="x", path="x.csv").files for _ in range(2))
    assert first == second
    assert all(len(line) <= 200 for text in first.values() for line in text.splitlines())
