-- Dagster's tables and ours both keep their migrations in `alembic_version`: two databases.
CREATE DATABASE dagster;
