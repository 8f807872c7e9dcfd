"""Sensors and schedules: when the graph moves by itself."""
