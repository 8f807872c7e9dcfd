"""Everything at once: callers of all kinds, versions that change, and servers that are killed."""
