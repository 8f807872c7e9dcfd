"""Loads typer once, before warnings become errors."""

import warnings

# typer below 0.26 imports names that click 8.4 calls deprecated: not ours to mend.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import typer  # noqa: F401
