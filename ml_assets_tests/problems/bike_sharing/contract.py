"""Hourly bike rentals in Washington, D.C. (UCI Bike Sharing)."""

import pandera.pandas as pa


class BikeSharing(pa.DataFrameModel):
    """One hour; weather values are shares of their maximum."""

    season: int = pa.Field(isin=[1, 2, 3, 4], description="Quarter-like, 1 holds January")
    yr: int = pa.Field(isin=[0, 1], description="0: 2011, 1: 2012")
    mnth: int = pa.Field(ge=1, le=12, description="Month")
    hr: int = pa.Field(ge=0, le=23, description="Hour of the day")
    holiday: int = pa.Field(isin=[0, 1], description="Whether the day is a holiday")
    weekday: int = pa.Field(ge=0, le=6, description="Day of the week, 0 is Sunday")
    workingday: int = pa.Field(isin=[0, 1], description="Neither weekend nor holiday")
    weathersit: int = pa.Field(isin=[1, 2, 3, 4], description="1 clear to 4 heavy rain or snow")
    temp: float = pa.Field(ge=0, le=1, description="Temperature / 41 °C")
    atemp: float = pa.Field(ge=0, le=1, description="Feeling temperature / 50 °C")
    hum: float = pa.Field(gt=0, le=1, description="Humidity / 100 %; 0 is a failed instrument")
    windspeed: float = pa.Field(ge=0, le=1, description="Wind speed / 67; 0 is calm or missing")
    casual: int = pa.Field(ge=0, description="Rentals by casual users: part of cnt")
    registered: int = pa.Field(ge=0, description="Rentals by registered users: part of cnt")
    cnt: int = pa.Field(ge=0, description="Rentals in the hour")

    @pa.dataframe_check
    def casual_and_registered_make_the_count(cls, rows):  # noqa: N805
        """The parts must add up."""
        return rows["casual"] + rows["registered"] == rows["cnt"]
