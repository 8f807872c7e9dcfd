"""Components offered to ``dg``."""
