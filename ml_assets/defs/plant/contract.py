"""What a reading of the plant must look like."""

import pandera.pandas as pa
from pandera.typing import Series


class Readings(pa.DataFrameModel):
    """One observed cycle of one rig."""

    rig: Series[str] = pa.Field(description="Identifier of the rig.")
    load: Series[str] = pa.Field(
        isin=["light", "normal", "heavy"],
        nullable=True,
        description="Class of the load it carries.",
    )
    amplitude_mm: Series[float] = pa.Field(
        ge=0, le=200, nullable=True, description="Peak displacement of the observed cycle, mm."
    )
    period_s: Series[float] = pa.Field(
        ge=0, le=5, nullable=True, description="Duration of the observed cycle, s."
    )
    peak_velocity_mm_s: Series[float] = pa.Field(
        ge=0, le=5000, nullable=True, description="Largest speed in the observed cycle, mm/s."
    )
    offset_mm: Series[float] = pa.Field(
        ge=-100, le=100, nullable=True, description="Rest position against the nominal one, mm."
    )
    pulse_current_a: Series[float] = pa.Field(
        ge=0, le=20, nullable=True, description="Current commanded for the coming cycle, A."
    )
    pulse_s: Series[float] = pa.Field(
        ge=0, le=2, nullable=True, description="Length of the coming pulse, s."
    )
    coil_temperature_c: Series[float] = pa.Field(
        ge=-40, le=200, nullable=True, description="Temperature of the coil, °C."
    )
    supply_voltage_v: Series[float] = pa.Field(
        ge=0, le=100, nullable=True, description="Voltage of the supply, V."
    )
    ambient_temperature_c: Series[float] = pa.Field(
        ge=-40, le=60, nullable=True, description="Temperature of the hall, °C."
    )
