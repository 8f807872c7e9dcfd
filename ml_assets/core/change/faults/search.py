"""All faults that recent rows show beside a reference."""

from ml_assets.core.change.faults.clock import shifted_clock
from ml_assets.core.change.faults.exchange import exchanged_columns
from ml_assets.core.change.faults.fault import Fault
from ml_assets.core.change.faults.order import rows_out_of_order
from ml_assets.core.change.faults.repetition import repeated_rows
from ml_assets.core.change.faults.standstill import standstills
from ml_assets.core.change.faults.units import changed_units
from ml_assets.core.change.rows import ComparedRows


def data_faults(reference: ComparedRows, recent: ComparedRows, *, seed: int) -> tuple[Fault, ...]:
    """Return what is wrong with the recent rows; each column is told of once.

    Args:
        reference: Rows from before, in order of time.
        recent: Rows since, in order of time.
        seed: Of what is drawn.
    """
    found = [
        *standstills(reference, recent),
        *exchanged_columns(reference, recent),
        *changed_units(reference, recent),
        *repeated_rows(reference, recent),
        *rows_out_of_order(reference, recent, seed=seed),
        *shifted_clock(reference, recent),
    ]
    told: set[str] = set()
    kept = []
    for fault in found:
        if not told & set(fault.columns):
            kept.append(fault)
            told |= set(fault.columns)
    return tuple(kept)
