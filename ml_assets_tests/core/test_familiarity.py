"""Rows far from the training rows are told from the others, at the declared rate."""

import json

import numpy as np
import pytest

from ml_assets.core.errors import ServingError
from ml_assets.core.familiarity import Familiarity, learn_familiarity

NAMES = ("plain", "twin", "skewed", "constant", "gappy")
TEXTS = {"load": ["light", "heavy"]}


def draw(seed, rows=4000):
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, len(NAMES)))
    numbers[:, 1] = numbers[:, 0] + 0.05 * numbers[:, 1]
    numbers[:, 2] = np.exp(2 * numbers[:, 2])
    numbers[:, 3] = 7.0
    numbers[rng.random(rows) < 0.2, 4] = np.nan
    return numbers, [rng.choice(["light", "heavy"], rows, p=[0.8, 0.2]).tolist()]


@pytest.fixture(scope="module")
def known():
    numbers, (load,) = draw(0)
    return learn_familiarity(numbers, {"load": load}, names=NAMES, rate=0.01)


def share(known, numbers, texts):
    return float((known.distances(numbers, texts) > known.threshold).mean())


def test_familiar_rows_are_flagged_at_the_declared_rate(known):
    rates = [share(known, *draw(seed)) for seed in range(1, 6)]
    assert np.mean(rates) == pytest.approx(0.01, abs=0.006)


@pytest.mark.parametrize(
    ("column", "value"),
    [(0, 8.0), (0, -8.0), (1, 6.0), (2, 1e6), (3, 7.1), (0, np.nan), (4, 30.0)],
)
def test_a_number_far_outside_is_flagged_and_named(known, column, value):
    numbers, texts = draw(9, 200)
    numbers[:, column] = value
    assert share(known, numbers, texts) == 1.0
    assert known.strangest(numbers[0], [texts[0][0]]) == NAMES[column]


def test_numbers_that_do_not_go_together_are_flagged(known):
    numbers, texts = draw(9, 200)
    numbers[:, 0], numbers[:, 1] = 1.5, -1.5
    assert share(known, numbers, texts) == 1.0


def test_a_text_never_seen_is_flagged_and_named(known):
    numbers, _ = draw(9, 200)
    assert share(known, numbers, [["feather"] * 200]) == 1.0
    assert known.strangest(numbers[0], ["feather"]) == "load"


def test_what_is_sometimes_missing_may_be_missing(known):
    numbers, texts = draw(9)
    numbers[:, 4] = np.nan
    assert share(known, numbers, texts) < 0.05


def test_a_row_alone_is_as_far_out_as_among_others(known):
    numbers, texts = draw(9, 50)
    together = known.distances(numbers, texts)
    alone = [known.distances(numbers[[n]], [[texts[0][n]]])[0] for n in range(50)]
    np.testing.assert_allclose(alone, together, rtol=1e-9)


def test_names_of_things_are_not_looked_at():
    numbers = np.random.default_rng(0).normal(size=(4000, 1))
    texts = {"id": [f"thing {n}" for n in range(4000)]}
    known = learn_familiarity(numbers, texts, names=("x",), rate=0.01)
    assert share(known, numbers[:500], [["new"] * 500]) < 0.05


def test_texts_alone_are_enough():
    load = draw(0)[1][0]
    known = learn_familiarity(np.empty((4000, 0)), {"load": load}, names=(), rate=0.01)
    assert share(known, np.empty((2, 0)), [["feather", "feather"]]) == 1.0
    assert share(known, np.empty((2, 0)), [["light", "heavy"]]) == 0.0


def test_few_rows_say_nothing():
    numbers, (load,) = draw(0, 50)
    assert learn_familiarity(numbers, {"load": load}, names=NAMES, rate=0.01) is None


def test_it_survives_its_file_and_wrong_shapes_are_refused(known):
    values = json.loads(json.dumps(known.to_json()))
    numbers, texts = draw(9, 50)
    same = Familiarity.from_json(values).distances(numbers, texts)
    np.testing.assert_array_equal(same, known.distances(numbers, texts))
    with pytest.raises(ServingError, match="familiarity"):
        Familiarity.from_json({**values, "slope": [1.0]})
