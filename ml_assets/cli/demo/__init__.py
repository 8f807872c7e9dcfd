"""The demonstration: a plant wears, and the system sees it, retrains and recovers."""
