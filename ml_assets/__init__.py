"""A production machine-learning system as one graph of assets."""
