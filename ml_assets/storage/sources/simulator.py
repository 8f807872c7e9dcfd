"""Rows of the simulated plant: what a logger would have written, as text."""

from dataclasses import dataclass

import duckdb
import pandas as pd
import pyarrow as pa

from ml_assets.core.errors import DeclarationError, SourceError
from ml_assets.core.problem import SimulatorSource
from ml_assets.core.window import Window
from ml_assets.storage.sources.header import matched
from ml_assets.storage.sources.text_table import append_values, create_text_table


@dataclass(frozen=True)
class OpenSimulator:
    """The plant of a declaration.

    Attributes:
        source: The declaration.
        columns: Columns that the plant must yield; all of them if empty.
    """

    source: SimulatorSource
    columns: tuple[str, ...]

    def rows(self, window: Window) -> pa.Table:
        """Return the rows whose event time lies in the window, as a text table.

        Raises:
            SourceError: If the plant has no such column.
        """
        values = pa.RecordBatch.from_pandas(self._frame(window), preserve_index=False)
        place = f"The plant's table {self.source.table!r}"
        names = matched(
            values.schema.names, place, columns=self.columns, renames=(), error=SourceError
        )
        with duckdb.connect() as connection:
            create_text_table(connection, "rows", names)
            append_values(connection, "rows", names, values, after=0)
            return connection.sql("SELECT * FROM rows ORDER BY _row").to_arrow_table()

    def _frame(self, window: Window) -> pd.DataFrame:
        from ml_assets.plant import Plant  # noqa: PLC0415  not every project simulates

        source = self.source
        plant = Plant(
            source.scenario,
            rigs=source.rigs,
            reading_every=source.reading_every,
            seed=source.seed,
        )
        match source.table:
            case "readings":
                return plant.readings(window)
            case "labels":
                return plant.labels(window)
            case "rigs":
                return plant.rig_table()


def scenario_fault(source: SimulatorSource) -> str | None:
    """Return what is wrong with the scenario a declaration names, if anything."""
    from ml_assets.plant import scenario_named  # noqa: PLC0415  not every project simulates

    try:
        scenario_named(source.scenario)
    except DeclarationError as error:
        return str(error)
    return None
