"""The text of contract.py: a pandera model with what a file has shown."""

import json

from ml_assets.core.inference import Inference, Inferred

WIDTH = 100
DTYPES = {
    ("float", False): "float",
    ("float", True): "float",
    ("integer", False): "int",
    ("integer", True): "pd.Int64Dtype",
    ("string", False): "str",
    ("string", True): "str",
    ("boolean", False): "bool",
    ("boolean", True): "pd.BooleanDtype",
    ("datetime", False): 'Annotated[pd.DatetimeTZDtype, "us", "UTC"]',
    ("datetime", True): 'Annotated[pd.DatetimeTZDtype, "us", "UTC"]',
}


def python_text(text: str) -> str:
    r"""Return a text as a Python string.

    Example:
        >>> python_text('Temperature "in", °C')
        '"Temperature \\"in\\", °C"'
    """
    return json.dumps(text, ensure_ascii=False)


def class_name(name: str) -> str:
    """Return a problem's name as a class.

    Example:
        >>> class_name("air_quality")
        'AirQualityRow'
    """
    return "".join(part.capitalize() for part in name.split("_")) + "Row"


def contract_text(inference: Inference, *, name: str, file: str) -> str:
    """Return contract.py.

    Args:
        inference: What the file has shown.
        name: Name of the problem.
        file: Name of the file, for the reader.
    """
    fields = "".join(_field(column, inference) for column in inference.contract)
    part = "" if inference.complete else "the first "
    imports = "from typing import Annotated\n\n" if "Annotated[" in fields else ""
    imports += "import pandas as pd\n" if "pd." in fields else ""
    return (
        f'"""What a row of {name} must look like.\n\n'
        f"Inferred from {part}{inference.rows:,} rows of {file}, and frozen:\n"
        "later rows are judged by it. Bounds lie as far beyond the smallest and the largest value\n"
        "as these are apart. Tighten what you know better.\n"
        '"""\n\n'
        f"{imports}import pandera.pandas as pa\n"
        "from pandera.typing import Series\n\n\n"
        f"class {class_name(name)}(pa.DataFrameModel):\n"
        f'    """One row of {file}."""\n'
        f"{fields}"
    )


def is_nullable(column: Inferred) -> bool:
    """Return whether a value may be missing: it was, or is not known yet when the row comes."""
    return column.missing > 0 or column.role in ("target", "after_event")


def _field(column: Inferred, inference: Inference) -> str:
    dtype = DTYPES[column.kind, is_nullable(column)]
    options = [
        *([f"isin={_listed(column)}"] if column.allowed else []),
        *([f"ge={_number(column.at_least, column)}"] if column.at_least is not None else []),
        *([f"le={_number(column.at_most, column)}"] if column.at_most is not None else []),
        *(["nullable=True"] if is_nullable(column) else []),
        "coerce=True",
        *([f"description={python_text(column.source)}"] if column.source != column.name else []),
    ]
    head = f"    {column.name}: Series[{dtype}] = pa.Field("
    remarks = "".join(f"    # {remark}\n" for remark in _remarks(column, inference))
    line = f"{head}{', '.join(options)})"
    if len(line) <= WIDTH:
        return f"\n{remarks}{line}\n"
    body = "".join(f"        {option},\n" for option in options)
    return f"\n{remarks}{head}\n{body}    )\n"


def _listed(column: Inferred) -> str:
    values = [
        python_text(value) if isinstance(value, str) else str(value)
        for value in column.allowed or ()
    ]
    line = f"[{', '.join(values)}]"
    if len(line) <= WIDTH - 16:
        return line
    return "[\n" + "".join(f"            {value},\n" for value in values) + "        ]"


def _number(value: float, column: Inferred) -> str:
    return str(int(value)) if column.kind == "integer" else f"{value:.10g}"


def _remarks(column: Inferred, inference: Inference) -> list[str]:
    remarks = []
    if column.low is not None and column.high is not None:
        seen = f"seen: {column.low:.6g} to {column.high:.6g}"
        remarks.append(seen + (f", {column.missing:,} missing" if column.missing else ""))
    elif column.kind == "string":
        seen = f"seen: {column.distinct:,} values"
        remarks.append(seen + (f", {column.missing:,} missing" if column.missing else ""))
    sentinels = inference.format.sentinels.get(column.name, ())
    if sentinels:
        words = ", ".join(f"{value:g}" for value in sentinels)
        remarks.append(f"{words} means a missing value (source.format.sentinels)")
    if column.role == "target":
        remarks.append("the target: missing until the truth is known")
    if column.role == "after_event":
        remarks.append(f"known only after the event: {column.why}")
    return remarks + [f"look at this: {remark}" for remark in column.remarks]
