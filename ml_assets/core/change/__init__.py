"""What changed, and why: pure functions of rows. They know no disk, no clock, no Dagster."""
