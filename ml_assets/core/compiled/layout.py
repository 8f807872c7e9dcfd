"""What the header of a compiled model says: its structure, as strict values.

Small numbers stand in the header itself; long ones are arrays of the file, named here.
"""

from typing import Annotated, Literal

import msgspec

from ml_assets.core.errors import ArtefactError

FORMAT = 1

Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Target = Literal["none", "expm1", "exp"]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the header; unknown fields are refused."""


class Impute(_Part, tag="impute", frozen=True):
    """Fill NaN; columns without a filling are left out; marks of missing values are appended."""

    fill: list[float]
    kept: list[Count]
    marked: list[Count]


class Arithmetic(_Part, tag="arithmetic", frozen=True):
    """One operation with one number a column."""

    operation: Literal["subtract", "add", "multiply", "divide"]
    by: list[float]


class Clip(_Part, tag="clip", frozen=True):
    """Limit all columns to a range."""

    low: float
    high: float


class Select(_Part, tag="select", frozen=True):
    """Keep some columns, in this order."""

    columns: list[Count]


class Refuse(_Part, tag="refuse", frozen=True):
    """Refuse infinite numbers, and NaN unless it is allowed."""

    allow_nan: bool


Step = Impute | Arithmetic | Clip | Select | Refuse


class Numbers(_Part, tag="numbers", frozen=True):
    """Numeric inputs by position, and what is done to them in turn."""

    columns: list[Count]
    steps: list[Step]


class Texts(_Part, tag="texts", frozen=True):
    """One categorical input: each category, and then missing and unknown, is a row of a table.

    Attributes:
        column: Position among the categorical inputs.
        keys: Categories; key k is row k of the table.
        missing: Row of a missing value; None if it is refused.
        unknown: Row of any other value; None if it is refused.
        table: Name of the array, shape (rows, width).
    """

    column: Count
    keys: list[str]
    missing: Count | None
    unknown: Count | None
    table: str


class Codes(_Part, tag="codes", frozen=True):
    """One numeric input that is taken as a category; otherwise as Texts."""

    column: Count
    keys: list[float]
    missing: Count | None
    unknown: Count | None
    table: str


Block = Numbers | Texts | Codes


class Preparation(_Part, frozen=True):
    """Blocks side by side, then steps over all columns."""

    blocks: list[Block]
    steps: list[Step]


class Trees(_Part, tag="trees", frozen=True):
    """Additive trees: arrays feature, threshold, child, missing_right, root and leaf.

    Attributes:
        start: Where the sums begin, one an output.
        average: Whether the sums are divided by the number of trees.
        single: Whether inputs are rounded to 32-bit floats first.
    """

    start: list[float]
    average: bool
    single: bool


class Linear(_Part, tag="linear", frozen=True):
    """X @ coefficient + intercept; arrays coefficient (outputs, width) and intercept."""


class Constant(_Part, tag="constant", frozen=True):
    """The same for every row."""

    outputs: list[float]


class PastLabel(_Part, tag="past_label", frozen=True):
    """The label known before, of an extra input; where there is none, ``otherwise``.

    Attributes:
        column: Position among the extra inputs.
        otherwise: Outputs where the past label is missing or was never seen.
        followed: Name of the array of outputs a past class, shape (classes, classes); None for a
            regression, whose output is the label itself.
    """

    column: Count
    otherwise: list[float]
    followed: str | None


Estimator = Trees | Linear | Constant | PastLabel

# How the estimator's outputs become probabilities, or a regression's value.
Link = Literal[
    "identity",
    "exp",
    "logistic",
    "logistic_of_double",
    "softmax_by_columns",
    "softmax_by_rows",
    "one_against_rest",
]
# How a class is chosen: by the sign of a single output, or by the largest one.
Rule = Literal["value", "positive", "not_negative", "largest"]


class Header(_Part, frozen=True):
    """The whole of a compiled model but its arrays."""

    numeric: list[str]
    categorical: list[str]
    extra: list[str]
    preparation: Preparation | None
    estimator: Estimator
    link: Link
    rule: Rule
    target: Target
    classes: list[bool | int | float | str]
    family: str
    format: Literal[1] = 1


def encode(header: Header) -> bytes:
    """Return the header as JSON, the same bytes for the same header."""
    return msgspec.json.format(msgspec.json.encode(header, order="deterministic"), indent=1)


def decode(content: bytes) -> Header:
    """Return a header whose every value has its declared type.

    Raises:
        ArtefactError: If something else stands there.
    """
    try:
        return msgspec.json.decode(content, type=Header)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"The header of the compiled model is not as expected: {error}. Compile it again."
        raise ArtefactError(message) from error
