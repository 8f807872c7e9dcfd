"""How the state database comes to its present form, one file a step."""
