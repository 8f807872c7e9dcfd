"""The assets of a problem, one file a stage, in the order data flows."""
