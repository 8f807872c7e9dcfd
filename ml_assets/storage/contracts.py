"""contract.py of a problem: one pandera model, loaded by its path."""

import inspect
import sys
import traceback
from collections.abc import Mapping
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ml_assets.core.contract import Column, Contract, Kind
from ml_assets.core.errors import ContractError
from ml_assets.core.validation import LoadedContract

if TYPE_CHECKING:  # pandera takes seconds to import
    import pandera.pandas as pandera

__all__ = ["LoadedContract", "load_contract"]

# pandera's name of a dtype -> kind, and whether a column of this dtype can hold a missing value.
KINDS: Mapping[str, tuple[Kind, bool]] = {
    "float64": ("float", True),
    "int64": ("integer", False),
    "Int64": ("integer", True),
    "str": ("string", True),
    "string[python]": ("string", True),
    "bool": ("boolean", False),
    "boolean": ("boolean", True),
}
DATETIME = "datetime64["
INSTEAD = {"int64": "pd.Int64Dtype", "bool": "pd.BooleanDtype"}
ADDED = ("event_time", "known_at")


def load_contract(path: Path) -> LoadedContract:
    """Load the one pandera model that a contract.py holds.

    Raises:
        ContractError: If the file is missing or fails, holds no or several models, or if its
            model says what a contract cannot hold.
    """
    model = _only_model(_executed(path), path)
    schema = model.to_schema()
    found = [*_misplaced(schema), *_unsupported(schema)]
    if found:
        raise ContractError("\n".join(f"{path}: {problem}" for problem in found))
    contract = Contract(tuple(_column(name, column) for name, column in schema.columns.items()))
    return LoadedContract(model, _judging(schema, contract), contract)


def _executed(path: Path) -> ModuleType:
    if not path.is_file():
        message = (
            f"There is no contract at {path}. Write one pandera DataFrameModel there: a class with "
            "one typed field a column."
        )
        raise ContractError(message)
    # A name of its own, so that two contracts, or one and a package, never meet; and no bytecode
    # file, which could outlive an edit within the same second.
    name = f"contract_{sha256(str(path.resolve()).encode()).hexdigest()[:16]}"
    loader = SourceFileLoader(name, str(path))
    spec = spec_from_loader(name, loader)
    if spec is None:
        message = f"{path} cannot be loaded as Python. Give a file whose name ends with .py."
        raise ContractError(message)
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        code = loader.source_to_code(path.read_bytes(), str(path))
        exec(code, module.__dict__)  # noqa: S102  the project's own code, like its defs
    except Exception as error:
        del sys.modules[name]
        message = f"{path}{_line(error, path)} failed: {type(error).__name__}: {error}"
        raise ContractError(message) from error
    return module


def _line(error: Exception, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f", line {error.lineno},"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    return f", line {lines[-1]}," if lines else ""


def _only_model(module: ModuleType, path: Path) -> "type[pandera.DataFrameModel]":
    import pandera.pandas as pandera  # noqa: PLC0415  takes seconds

    models = [
        value
        for _, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, pandera.DataFrameModel) and value.__module__ == module.__name__
    ]
    if len(models) != 1:
        names = ", ".join(model.__name__ for model in models) or "none"
        message = f"{path} needs exactly one pandera DataFrameModel of its own; found: {names}."
        raise ContractError(message)
    return models[0]


def _misplaced(schema: "pandera.DataFrameSchema") -> list[str]:
    """Say what would change rows, or clash with the columns that reading adds."""
    found = []
    if not schema.columns:
        found.append("the model has no field. Declare one a column, such as `temperature: float`.")
    if schema.parsers or any(column.parsers for column in schema.columns.values()):
        found.append("a contract judges values and changes none. Move @parser to features.sql.")
    folded: dict[str, str] = {}
    for name, column in schema.columns.items():
        if name in ADDED or name.startswith("_"):
            found.append(
                f"the name {name!r} is taken: {ADDED} and names with a leading underscore are "
                "added by reading (see `time`). Leave the field out, or rename it in the source."
            )
        if column.regex or not column.required:
            found.append(
                f"column {name!r} must be one that is always there: no regex, no Optional."
            )
        if column.default is not None:
            found.append(f"column {name!r} has a default: a contract fills no values. Remove it.")
        if name.lower() in folded:
            found.append(f"columns {folded[name.lower()]!r} and {name!r} differ by case only.")
        folded[name.lower()] = name
    return found


def _unsupported(schema: "pandera.DataFrameSchema") -> list[str]:
    found = []
    for name, column in schema.columns.items():
        dtype = str(column.dtype)
        if dtype not in KINDS and not dtype.startswith(DATETIME):
            found.append(
                f"column {name!r} has the type {dtype!r}, which is not supported. Use float, int, "
                "pd.Int64Dtype, str, bool, pd.BooleanDtype or datetime."
            )
        elif column.nullable and dtype in INSTEAD:
            found.append(
                f"column {name!r} is nullable, which {dtype} cannot hold. Use {INSTEAD[dtype]}."
            )
    return found


def _column(name: str, column: "pandera.Column") -> Column:
    at_least: list[float] = []
    at_most: list[float] = []
    allowed: tuple[Any, ...] | None = None
    for check in column.checks or ():
        given = check.statistics or {}
        match check.name:
            case "greater_than_or_equal_to":
                at_least.append(given["min_value"])
            case "less_than_or_equal_to":
                at_most.append(given["max_value"])
            case "in_range":
                at_least += [given["min_value"]] if given["include_min"] else []
                at_most += [given["max_value"]] if given["include_max"] else []
            case "isin":
                allowed = _plain(given["allowed_values"])
    kind, _ = KINDS.get(str(column.dtype), ("datetime", True))
    bounded = kind in {"float", "integer"}
    return Column(
        name=name,
        kind=kind,
        nullable=column.nullable,
        at_least=max(at_least) if at_least and bounded else None,
        at_most=min(at_most) if at_most and bounded else None,
        allowed=allowed,
        description=column.description or "",
    )


def _plain(values: Any) -> tuple[Any, ...]:  # noqa: ANN401
    items = [value.item() if hasattr(value, "item") else value for value in values]
    # A set has no order of its own: the same contract must give the same values.
    return tuple(sorted(items, key=str) if isinstance(values, set | frozenset) else items)


def _judging(schema: "pandera.DataFrameSchema", contract: Contract) -> "pandera.DataFrameSchema":
    """Return the schema with this house's types, and with nothing that drops or converts rows."""
    # pandera's drop_invalid_rows and coerce would lose rows without a trace.
    types = {"float": "float64", "string": "str", "datetime": "datetime64[us, UTC]"}
    updates = {
        column.name: {
            "dtype": types.get(column.kind, schema.columns[column.name].dtype),
            "coerce": False,
        }
        for column in contract.columns
    }
    judging = schema.update_columns(updates)
    judging.coerce = False
    judging.drop_invalid_rows = False
    return judging
