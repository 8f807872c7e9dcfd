"""A compiled model's file may come from anywhere: it is refused, or it is harmless."""

import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_assets.core.compiled import CompiledModel
from ml_assets.core.compiled.container import pack, unpack
from ml_assets.core.errors import ArtefactError, DataError
from ml_assets_tests.core.compiled_cases import LINEAR, NUMERIC, TREES


def content_of(name):
    case = next(case for case in (*TREES, *LINEAR) if case.name == name)
    return case.fitted()[1].to_bytes()


def changed(content, *, header=None, **arrays):
    """Return a file with some arrays, or values of the header by path, replaced."""
    head, found = unpack(content)
    values = json.loads(head)
    for path, value in (header or {}).items():
        *way, last = path
        place = values
        for step in way:
            place = place[step]
        place[last] = value
    return pack(json.dumps(values).encode(), {**found, **arrays})


def refused(content, match):
    with pytest.raises(ArtefactError, match=match):
        CompiledModel.from_bytes(content)


@pytest.fixture(scope="module")
def boosted():
    return content_of("boosted")


@pytest.fixture(scope="module")
def arrays(boosted):
    return unpack(boosted)[1]


TREE_CHANGES = [
    ("feature", 0, 99, "no known column"),
    ("feature", 0, -2, "no known column"),
    ("threshold", 0, np.nan, "threshold is NaN"),
    ("child", 0, 0, "out of its tree"),
    ("child", 0, -1, "out of its tree"),
    ("child", 0, 2**31 - 1, "out of its tree"),
    ("child", 0, 3, "no parent, or two"),
    ("root", 0, 1, "do not fill"),
    ("root", -1, 7, "do not fill"),
    ("root", 1, 0, "is empty"),
    ("root", 1, -5, "is empty"),
    ("root", 1, 2, "out of its tree"),
]


@pytest.mark.parametrize(("name", "place", "value", "match"), TREE_CHANGES)
def test_a_changed_tree_is_refused(name, place, value, match):
    content = content_of("boosted")
    array = unpack(content)[1][name].copy()
    array[place] = value
    refused(changed(content, **{name: array}), match)


@pytest.mark.parametrize("name", ["feature", "threshold", "child", "missing_right", "root", "leaf"])
def test_a_short_long_or_other_array_is_refused(boosted, arrays, name):
    array = arrays[name]
    for wrong in (array[:-1], np.concatenate([array, array]), array.reshape(1, *array.shape)):
        refused(changed(boosted, **{name: wrong}), "broken")
    other = array.astype("<f8" if array.dtype.str != "<f8" else "<i4")
    refused(changed(boosted, **{name: other}), "broken")
    refused(changed(boosted, **{name: array[:0]}), "broken")


def test_trees_that_are_too_deep_are_refused(boosted):
    levels = 5000
    nodes = 2 * levels + 1
    odd = np.arange(nodes) % 2 == 0  # root and right siblings go on
    inner = odd & (np.arange(nodes) < nodes - 1)
    chain = {
        "feature": np.where(inner, 0, -1).astype("<i4"),
        "threshold": np.zeros(nodes),
        "child": np.where(inner, np.arange(nodes) + 1, 0).astype("<i4"),
        "missing_right": np.zeros(nodes, dtype=np.uint8),
        "root": np.array([0, nodes], dtype="<i4"),
        "leaf": np.zeros((levels + 1, 1)),
    }
    refused(changed(boosted, **chain), "deeper than")


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        (("format",), 2, "not as expected"),
        (("more",), 1, "unknown field"),
        (("link",), "exec", "not as expected"),
        (("link",), "logistic", "no such link"),
        (("rule",), "largest", "one output"),
        (("classes",), [0, 1], "do not fit|no such"),
        (("estimator", "start"), [], "do not fit"),
        (("estimator", "start"), [0.0] * 7, "do not fit"),
        (("estimator", "type"), "linear", "unknown field|coefficient"),
        (("preparation",), None, "no known column"),
        (("preparation", "blocks"), [], "is empty"),
        (("preparation", "blocks", 0, "columns"), [0, 1, 9], "beyond the last"),
        (("preparation", "blocks", 0, "columns"), [0, 1, -1], "not as expected"),
        (("preparation", "blocks", 0, "steps"), [{"type": "clip", "low": 0.0}], "high"),
        (
            ("preparation", "blocks", 0, "steps"),
            [{"type": "arithmetic", "operation": "divide", "by": [1.0]}],
            "one number a column",
        ),
        (("preparation", "blocks", 1, "column"), 7, "beyond the last"),
        (("preparation", "blocks", 1, "missing"), 99, "beyond the last"),
        (("preparation", "blocks", 1, "keys"), ["a"] * 3, "one row a category"),
        (("preparation", "blocks", 1, "keys"), [f"{n}" for n in range(99)], "one row a category"),
        (("preparation", "blocks", 1, "table"), "root", "dimensions"),
        (("preparation", "blocks", 1, "table"), "nothing", "missing"),
    ],
)
def test_a_changed_header_is_refused(boosted, path, value, match):
    refused(changed(boosted, header={path: value}), match)


@pytest.mark.parametrize(
    ("classes", "match"), [(["x", "x"], "two classes"), ([1, "x"], "several kinds"), ([], "one")]
)
def test_changed_classes_are_refused(classes, match):
    refused(changed(content_of("boosted two"), header={("classes",): classes}), match)


def test_coefficients_that_do_not_fit_are_refused():
    content = content_of("ridge")
    refused(changed(content, coefficient=np.zeros((1, 3))), "do not fit")
    refused(changed(content, intercept=np.zeros(2)), "do not fit")


def test_no_file_and_no_header_are_refused(boosted):
    for wrong in (b"", b"x" * 100, boosted[:-30], boosted[:200]):
        with pytest.raises(ArtefactError, match="cannot be read"):
            unpack(wrong)
    for text in (b"", b"[]", b"[" * 100_000, b"\xff", b"null"):
        refused(pack(text, {}), "header")


def _archive(**parts):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", parts.pop("compression", zipfile.ZIP_STORED)) as archive:
        for name, part in parts.items():
            archive.writestr(f"{name}.npy", part)
    return sink.getvalue()


def _npy(header):
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"\0" * 8


def test_arrays_that_lie_about_their_length_allocate_nothing():
    vast = _npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,)}")
    objects = _npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}")
    negative = _npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1)}")
    for part, match in [(vast, "as long as"), (objects, "none of the known"), (negative, "negat")]:
        refused(_archive(header=part), match)
    refused(_archive(header=b"\x93NUMPY\x01\x00\xff\xff{"), "cannot be read")


def test_compressed_parts_are_refused():
    bomb = _archive(header=b"\0" * 10_000_000, compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    refused(bomb, "compressed")


@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), seed=st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_a_file_with_a_changed_byte_is_refused_or_answers(place, value, seed):
    content = bytearray(content_of("boosted, stumps"))
    content[int(place * len(content))] = value
    rng = np.random.default_rng(seed)
    try:
        model = CompiledModel.from_bytes(bytes(content))
        numbers = rng.normal(size=(3, len(model.numeric)))
        answer = model.predict(numbers, [["a", None, "?"]] * len(model.categorical))
    except (ArtefactError, DataError):
        return
    assert len(answer.values) == 3


def test_numpy_alone_reads_the_arrays(boosted):
    with np.load(io.BytesIO(boosted), allow_pickle=False) as found:
        assert json.loads(found["header"].tobytes())["numeric"] == list(NUMERIC)
