"""Columns whose names differ by case only, under the names that they have in the file."""

from collections.abc import Mapping
from dataclasses import replace

from ml_assets.core.inference.values import Doubt, Inference, Inferred


def as_spelled(inference: Inference, spelled: Mapping[str, str]) -> Inference:
    """Return what was inferred of a table, said of the file.

    Args:
        inference: What the table has shown.
        spelled: Name in the file by name in the table, where they differ.
    """

    def renamed(column: Inferred) -> Inferred:
        source = spelled.get(column.source, column.source)
        # A column of the time has no name in the contract.
        return replace(column, source=source, name=source if column.role == "time" else column.name)

    time, columns = inference.time, tuple(map(renamed, inference.columns))
    told = tuple(spelled.get(name, name) for name in time.columns)
    sequence = time.sequence
    if sequence is not None and sequence.column in spelled:
        sequence = sequence.model_copy(update={"column": spelled[sequence.column]})
    alike = [
        Doubt(new.name, f"another column's name differs from {new.source!r} by case only.")
        for old, new in zip(inference.columns, columns, strict=True)
        if old.source in spelled
    ]
    return replace(
        inference,
        columns=columns,
        time=time.model_copy(update={"columns": told, "sequence": sequence}),
        renames={spelled.get(old, old): new for old, new in inference.renames.items()},
        doubts=(*inference.doubts, *alike),
    )
