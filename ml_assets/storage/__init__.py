"""Where things live: lake, ledger, artefacts, profiles, sources. It knows no Dagster."""
