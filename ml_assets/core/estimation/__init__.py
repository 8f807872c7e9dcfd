"""Estimates of how well a version answers: pure functions on arrays, no disk, no clock."""
