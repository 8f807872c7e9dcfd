import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.errors import ArtefactError, DataError
from ml_assets.core.histograms import WindowCounts
from ml_assets.core.reference import Reference
from ml_assets.storage.profiles import ProfileStore, profile_frame

HOUR = datetime(2024, 3, 1, 5, tzinfo=UTC)
KINDS = {"number": "float", "gaps": "float", "count": "float", "text": "string"}


def rows(count, *, seed=0):
    rng = np.random.default_rng(seed)
    text = rng.choice(np.array(["a", "b", "é" * 200, None], object), count)
    return pd.DataFrame(
        {
            "number": rng.normal(size=count).astype("float32"),
            "gaps": np.where(rng.random(count) < 0.2, np.nan, rng.normal(size=count)),
            "count": pd.array(rng.poisson(3.0, count), dtype="Int64"),
            "text": text,
        }
    )


def reference(frame):
    return Reference.fit(
        frame, KINDS, roles={}, window=timedelta(hours=1), window_rows=500, windows=40
    )


def profiled(frame, hour=HOUR, kinds=KINDS):
    return profile_frame(frame, kinds, metadata={"problem": "plant"}, timestamp=hour)


def stored(tmp_path, frame, hour=HOUR):
    store = ProfileStore(tmp_path)
    return store, store.put(profiled(frame, hour), problem="plant", version="v1")


FRAMES = {
    "plain": rows(700),
    "one row": rows(1),
    "no row": rows(0),
    "infinite": rows(50).assign(number=np.inf),
    "all missing": rows(50).assign(gaps=np.nan, text=None),
    "pandas category": rows(50).assign(text=rows(50)["text"].astype("category")),
    "pandas string": rows(50).assign(text=rows(50)["text"].astype("string")),
    "numbers as text": rows(50).assign(number=rows(50)["number"].astype(str)),
    "booleans": rows(50).assign(number=rows(50)["number"] > 0),
    "absent column": rows(50).drop(columns=["gaps", "text"]),
    "unseen category": rows(50).assign(text="new"),
    "index of its own": rows(50).set_index(np.arange(50) * 7),
}


@pytest.mark.parametrize("name", list(FRAMES))
def test_a_profile_counts_as_the_rows_themselves_do(tmp_path, name):
    frame, known = FRAMES[name], reference(rows(4000, seed=1))
    store, profile = stored(tmp_path, frame)
    counted = store.read_counts(profile.path, known)
    direct = WindowCounts.of(frame, known.bins, start=HOUR)
    assert (counted.start, counted.rows) == (HOUR, len(frame))
    # A column without rows and one that is absent look the same in a profile.
    expected = {name: counts for name, counts in direct.columns.items() if counts.rows}
    assert set(counted.columns) == set(expected)
    for column, counts in expected.items():
        found = counted.columns[column]
        assert found.bins.tolist() == counts.bins.tolist(), column
        assert (found.missing, found.low, found.high) == (counts.missing, counts.low, counts.high)


@pytest.mark.parametrize("name", list(FRAMES))
def test_the_fast_reader_agrees_with_the_official_one(name):
    from whylogs.core.view import DatasetProfileView  # noqa: PLC0415

    from ml_assets.storage.sketches import read_profile  # noqa: PLC0415

    content = profiled(FRAMES[name])
    ours, official = read_profile(content), DatasetProfileView.deserialize(content)
    assert ours.timestamp == official.dataset_timestamp
    assert ours.metadata.items() <= official.metadata.items()
    assert set(ours.columns) == set(official.get_columns())
    edges = (-1.0, 0.0, 0.5, 2.5)
    for column, sketch in ours.columns.items():
        view = official.get_column(column)
        counts = view.get_metric("counts")
        assert (sketch.rows, sketch.missing) == (counts.n.value, counts.null.value)
        if KINDS[column] == "float":
            kll = view.get_metric("distribution").kll.value
            below = [] if kll.is_empty() else np.rint(np.array(kll.get_cdf(edges)) * kll.get_n())
            assert sketch.ranks(edges).tolist() == (list(below) or [0] * 5)
        else:
            items = view.get_metric("frequent_items").strings
            assert sketch.items() == {item.value: int(item.est) for item in items}


def test_large_hours_keep_their_rows_and_nearly_their_shares(tmp_path):
    frame, known = rows(20_000), reference(rows(4000, seed=1))
    store, profile = stored(tmp_path, frame)
    counted = store.read_counts(profile.path, known).columns["number"].bins
    exact = WindowCounts.of(frame, known.bins, start=HOUR).columns["number"].bins
    assert counted.sum() == 20_000
    assert np.abs(counted - exact).max() < 0.005 * 20_000


def test_more_categories_than_a_sketch_holds_are_counted_together(tmp_path):
    common = ["a", "b"] * 500
    frame = pd.DataFrame({"text": common + [f"id{i}" for i in range(2000)]})
    known = Reference.fit(
        pd.DataFrame({"text": common}),
        {"text": "string"},
        roles={},
        window=timedelta(hours=1),
        window_rows=100,
        windows=10,
    )
    store = ProfileStore(tmp_path)
    profile = store.put(profiled(frame, kinds={"text": "string"}), problem="plant", version="v1")
    counts = store.read_counts(profile.path, known).columns["text"]
    assert counts.bins[:2].tolist() == [500, 500]
    assert counts.bins.sum() == 3000


def test_the_same_rows_are_stored_once(tmp_path):
    frame = rows(300)
    store, first = stored(tmp_path, frame)
    again = store.put(profiled(frame.iloc[::-1]), problem="plant", version="v1")
    assert again == first
    assert [path.name for path in first.path.parent.iterdir()] == ["05.0.whylogs"]


def test_late_rows_make_the_next_revision_and_keep_the_first(tmp_path):
    store, first = stored(tmp_path, rows(300))
    before = first.path.read_bytes()
    _, second = stored(tmp_path, rows(320))
    assert (first.revision, second.revision) == (0, 1)
    assert first.path.read_bytes() == before
    assert store.hours("plant") == [second]


@pytest.fixture
def eager_threads():
    """Let threads take turns so often that they meet between looking and writing."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("eager_threads")
def test_writers_at_once_lose_nothing(tmp_path):
    contents = [profiled(rows(20 + index)) for index in range(24)]
    store, ready = ProfileStore(tmp_path), Barrier(len(contents))

    def put(content):
        ready.wait()
        return store.put(content, problem="plant", version="v1")

    with ThreadPoolExecutor(len(contents)) as pool:
        profiles = list(pool.map(put, contents))
    assert sorted(profile.revision for profile in profiles) == list(range(24))
    assert [profile.path.read_bytes() for profile in profiles] == contents
    assert len(list((tmp_path / "plant/v1/2024-03-01").iterdir())) == 24


def test_hours_are_listed_in_order_from_the_one_asked_for(tmp_path):
    content = {hour: HOUR + timedelta(hours=hour) for hour in (30, 0, 1, 18)}
    for hour in content.values():
        stored(tmp_path, rows(5), hour)
    (tmp_path / "plant/v1/2024-03-01/.abc.tmp").write_bytes(b"draft")
    store = ProfileStore(tmp_path)
    assert [p.hour for p in store.hours("plant")] == sorted(content.values())
    since = [p.hour for p in store.hours("plant", HOUR + timedelta(hours=1))]
    assert since == sorted(content.values())[1:]
    assert store.hours("other") == []


def test_versions_are_kept_apart(tmp_path):
    store = ProfileStore(tmp_path)
    for version in ("v1", "v2"):
        store.put(profiled(rows(5)), problem="plant", version=version)
    assert [(p.version, p.revision) for p in store.hours("plant")] == [("v1", 0), ("v2", 0)]


@pytest.mark.parametrize("name", ["", "../v1", "a/b", ".hidden"])
def test_a_name_that_is_no_folder_is_refused(tmp_path, name):
    with pytest.raises(ArtefactError, match="cannot be stored under the name"):
        ProfileStore(tmp_path).put(profiled(rows(5)), problem="plant", version=name)


@pytest.mark.parametrize("kept", [0, 3, 40, 500, 2000, -1])
def test_a_profile_that_was_cut_short_is_named(tmp_path, kept):
    store, profile = stored(tmp_path, rows(300))
    profile.path.write_bytes(profile.path.read_bytes()[:kept])
    with pytest.raises(ArtefactError, match=r"05\.0\.whylogs"):
        store.read_counts(profile.path, reference(rows(600)))


@pytest.mark.parametrize("moment", [datetime(2024, 3, 1, 5, 30, tzinfo=UTC), datetime(2024, 3, 1)])  # noqa: DTZ001
def test_a_profile_is_of_a_whole_hour(moment):
    with pytest.raises(DataError, match="start of an hour"):
        profiled(rows(5), moment)


def test_importing_the_store_imports_no_whylogs():
    code = "import sys, ml_assets.storage.profiles; assert 'whylogs' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def three_hours(tmp_path):
    store = ProfileStore(tmp_path)
    parts = [rows(count, seed=count) for count in (600, 40, 300)]
    for hour, frame in zip((3, 4, 6), parts, strict=True):
        at = HOUR.replace(hour=hour)
        store.put(profiled(frame, at), problem="plant", version="v1")
    return store, parts


def same_counts(found, expected):
    assert found.rows == expected.rows
    assert set(found.columns) == set(expected.columns)
    for name, counts in expected.columns.items():
        one = found.columns[name]
        assert one.bins.tolist() == counts.bins.tolist()
        assert (one.missing, one.low, one.high) == (counts.missing, counts.low, counts.high)
        if counts.mean is not None:
            assert one.mean == pytest.approx(counts.mean)
            assert one.squares == pytest.approx(counts.squares)


def test_windows_are_what_their_rows_are(tmp_path):
    store, parts = three_hours(tmp_path)
    known = Reference.fit(
        rows(5000), KINDS, roles={}, window=timedelta(hours=2), window_rows=500, windows=40
    )
    for _ in range(2):  # the second time from what was counted the first time
        found = store.read_windows(store.hours("plant"), known)
        assert [window.start.hour for window in found] == [2, 4, 6]
        for window, frame in zip(found, parts, strict=True):
            same_counts(window, WindowCounts.of(frame, known.bins, start=window.start))
    day = Reference.fit(
        rows(5000), KINDS, roles={}, window=timedelta(days=1), window_rows=500, windows=40
    )
    (whole,) = store.read_windows(store.hours("plant"), day)
    same_counts(whole, WindowCounts.of(pd.concat(parts), day.bins, start=whole.start))


def test_counted_profiles_are_not_read_again_and_new_revisions_are(tmp_path, monkeypatch):
    store, _ = three_hours(tmp_path)
    known, other = reference(rows(5000)), reference(rows(4000, seed=1))
    first = store.read_windows(store.hours("plant"), known)
    read = []
    monkeypatch.setattr(
        ProfileStore,
        "read_counts",
        lambda self, path, reference, read_one=ProfileStore.read_counts: (
            read.append(path) or read_one(self, path, reference)
        ),
    )
    again = store.read_windows(store.hours("plant"), known)
    assert [window.rows for window in again] == [window.rows for window in first]
    assert read == []
    revised = store.put(profiled(rows(700), HOUR.replace(hour=6)), problem="plant", version="v1")
    assert store.read_windows(store.hours("plant"), known)[-1].rows == 700
    assert read == [revised.path]
    store.read_windows(store.hours("plant"), other)
    assert len(read) == 4


def test_a_damaged_file_of_counts_is_made_again(tmp_path):
    store, _ = three_hours(tmp_path)
    known = reference(rows(5000))
    before = store.read_windows(store.hours("plant"), known)
    (kept,) = tmp_path.rglob("counts.*.npy")
    kept.write_bytes(kept.read_bytes()[:200])
    after = store.read_windows(store.hours("plant"), known)
    assert [window.rows for window in after] == [window.rows for window in before]


def test_the_profiles_of_a_version_are_listed_alone(tmp_path):
    store, _ = three_hours(tmp_path)
    store.put(profiled(rows(9)), problem="plant", version="v2")
    assert len(store.hours("plant", HOUR, version="v1")) == 1
    assert len(store.hours("plant", HOUR)) == 2
