"""Dagster resources: thin shells around ``ml_assets.storage``."""
