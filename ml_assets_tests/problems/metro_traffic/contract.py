"""Hourly westbound traffic on Interstate 94 (UCI Metro Interstate Traffic Volume)."""

import pandera.pandas as pa

WEATHER = [
    "Clear",
    "Clouds",
    "Drizzle",
    "Fog",
    "Haze",
    "Mist",
    "Rain",
    "Smoke",
    "Snow",
    "Squall",
    "Thunderstorm",
]


class MetroTraffic(pa.DataFrameModel):
    """One hour and one kind of weather in it."""

    holiday: str = pa.Field(description="Name of the holiday, at hour 0 only; else the text None")
    temp: float = pa.Field(ge=200, le=330, description="Air temperature in K; 0 is no measurement")
    rain_1h: float = pa.Field(ge=0, le=400, description="Rain in mm; the record on Earth is 305")
    snow_1h: float = pa.Field(ge=0, le=400, description="Snow in mm")
    clouds_all: int = pa.Field(ge=0, le=100, description="Cloud cover in %")
    weather_main: str = pa.Field(isin=WEATHER, description="Kind of weather")
    weather_description: str = pa.Field(description="The same in more words")
    traffic_volume: int = pa.Field(ge=0, le=20_000, description="Vehicles in the hour")
