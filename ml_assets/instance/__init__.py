"""Parts of Dagster's own instance: `dagster.yaml` names them, the code never does."""
