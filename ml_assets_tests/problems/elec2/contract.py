"""Half-hourly electricity market of New South Wales (ELEC2); all values are scaled to 0..1."""

import pandera.pandas as pa


class Electricity(pa.DataFrameModel):
    """One half-hour."""

    day: int = pa.Field(ge=1, le=7, description="Day of the week")
    period: float = pa.Field(ge=0, le=1, description="Place in the day")
    nswprice: float = pa.Field(ge=0, le=1, description="Price in New South Wales")
    nswdemand: float = pa.Field(ge=0, le=1, description="Demand in New South Wales")
    vicprice: float = pa.Field(ge=0, le=1, description="Price in Victoria; constant until 1997-05")
    vicdemand: float = pa.Field(ge=0, le=1, description="Demand in Victoria")
    transfer: float = pa.Field(ge=0, le=1, description="Scheduled transfer between the states")
    direction: str = pa.Field(
        alias="class", isin=["UP", "DOWN"], description="Price against the mean of the last day"
    )
