"""Empty databases in a Postgres that is there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
import sqlalchemy as sa

SERVER = "ML_ASSETS_TEST_POSTGRES"


@contextmanager
def postgres_database() -> Iterator[str]:
    """Yield the SQLAlchemy URL of an empty database, and drop it.

    The environment names a server whose user may create databases, such as
    ``postgresql+psycopg://postgres:...@127.0.0.1/postgres``; without one the test is skipped.
    """
    server = os.environ.get(SERVER)
    if not server:
        pytest.skip(f"{SERVER} names no server")
    name = f"test_{uuid4().hex}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    try:
        url = sa.make_url(server).set(database=name)
        yield url.render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
