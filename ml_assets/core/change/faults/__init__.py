"""Faults of the data, told apart from changes of the world: one file a kind."""
