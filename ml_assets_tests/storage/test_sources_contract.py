import sys

import pytest

from ml_assets.core.contract import Column
from ml_assets.core.errors import ContractError
from ml_assets.storage.contracts import load_contract

HEAD = "import pandera.pandas as pa\nimport pandas as pd\nfrom datetime import datetime\n"


def load(folder, body, head=HEAD):
    path = folder / "contract.py"
    path.write_text(head + body)
    return load_contract(path)


def model(*fields, name="M"):
    return f"class {name}(pa.DataFrameModel):\n" + "".join(f"    {field}\n" for field in fields)


def test_fields_become_columns(tmp_path):
    loaded = load(
        tmp_path,
        model(
            "a: float = pa.Field(ge=0, le=1, nullable=True, description='share')",
            "b: int = pa.Field(in_range={'min_value': 1, 'max_value': 5, 'include_max': False})",
            "c: pd.Int64Dtype = pa.Field(isin={3, 1, 2}, nullable=True)",
            "d: str = pa.Field(isin=['x', 'y'])",
            "e: bool",
            "f: pd.BooleanDtype = pa.Field(nullable=True)",
            "g: datetime",
            "h: pd.DatetimeTZDtype = pa.Field(dtype_kwargs={'unit': 'ns', 'tz': 'UTC'})",
            "i: float = pa.Field(alias='class', gt=0)",
        ),
    )
    assert loaded.contract.columns == (
        Column("a", "float", True, 0, 1, description="share"),
        Column("b", "integer", at_least=1),
        Column("c", "integer", True, allowed=(1, 2, 3)),
        Column("d", "string", allowed=("x", "y")),
        Column("e", "boolean"),
        Column("f", "boolean", True),
        Column("g", "datetime"),
        Column("h", "datetime"),
        Column("class", "float"),
    )
    assert {str(loaded.schema.columns[name].dtype) for name in "gh"} == {"datetime64[us, UTC]"}
    assert loaded.model.__name__ == "M"


def test_nothing_in_a_contract_drops_or_converts_rows(tmp_path):
    loaded = load(
        tmp_path,
        model("a: float", "class Config:", "    drop_invalid_rows = True", "    coerce = True"),
    )
    assert not loaded.schema.drop_invalid_rows
    assert not loaded.schema.coerce
    assert not loaded.schema.columns["a"].coerce


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "exactly one pandera DataFrameModel of its own; found: none"),
        (model("a: float") + model("b: float", name="N"), "found: M, N"),
        ("\nraise ValueError('no')", "line 5, failed: ValueError: no"),
        ("\nimport no_such_module", "line 5, failed: ModuleNotFoundError"),
        ("def (:", "line 4, failed: SyntaxError"),
        (model("a: complex"), "column 'a' has the type 'complex128'"),
        (model("a: pd.CategoricalDtype"), "not supported"),
        (model("a: int = pa.Field(nullable=True)"), "int64 cannot hold. Use pd.Int64Dtype"),
        (model("a: bool = pa.Field(nullable=True)"), "Use pd.BooleanDtype"),
        (model("event_time: datetime"), "the name 'event_time' is taken"),
        (model("a: float = pa.Field(alias='_row')"), "the name '_row' is taken"),
        (model("a: float", "A: float"), "differ by case only"),
        (model("a: float = pa.Field(default=1.0)"), "fills no values"),
        (model("a: float = pa.Field(regex=True)"), "no regex, no Optional"),
        (model("pass"), "has no field"),
        (
            model("a: float", "@pa.parser('a')", "def half(cls, a): return a / 2"),
            "judges values and changes none",
        ),
    ],
)
def test_unusable_contract_says_why(tmp_path, body, reason):
    with pytest.raises(ContractError) as caught:
        load(tmp_path, body)
    assert reason in str(caught.value)
    assert str(tmp_path / "contract.py") in str(caught.value)


def test_missing_contract_is_told(tmp_path):
    with pytest.raises(ContractError, match="There is no contract at"):
        load_contract(tmp_path / "contract.py")


def test_contracts_of_the_same_name_do_not_meet(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one = load(tmp_path / "one", model("a: float"))
    two = load(tmp_path / "two", model("b: float"))
    again = load(tmp_path / "one", model("c: float"))  # edited within the same second
    assert [loaded.contract.names for loaded in (one, two, again)] == [("a",), ("b",), ("c",)]
    assert "contract" not in sys.modules
    assert not list(tmp_path.rglob("__pycache__"))
