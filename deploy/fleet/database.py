"""Opens the fleet database, brings its tables up to date, and hands out transactions.

    database = FleetDatabase.open("sqlite:///fleet.sqlite")
    with database.write() as session: ...       one writer at a time, committed at the end of the block
    with database.read() as session: ...

SQLite runs in WAL mode and every writing transaction takes the write lock at its start (BEGIN IMMEDIATE): controller,
retraining worker and command line are separate processes, and a transaction that starts reading and then writes would
fail at once if another one has written meanwhile. On PostgreSQL writers take turns by an advisory lock, and readers ask
for one snapshot: there two workers would otherwise find the same job.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session

from deploy.errors import ConfigError, DatabaseError

log = logging.getLogger(__name__)

HEAD = "0003"  # the newest migration; a test holds it against deploy/fleet/migrations
BUSY_TIMEOUT_S = 30
_READ_ONLY = "driftline_read_only"
_WRITERS_LOCK = 0x64726966746C  # of PostgreSQL's advisory locks; any number that nobody else takes


class FleetDatabase:
    """The fleet database at one URL; open it with ``FleetDatabase.open``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str, *, must_exist: bool = False) -> Self:
        """Connect and migrate to the newest tables.

        Args:
            url: SQLAlchemy URL.
            must_exist: Refuse to make a new SQLite file: whoever only reads has named the wrong one.

        Raises:
            ConfigError: The URL is none, its driver is not installed, or there is no such file.
            DatabaseError: It cannot be reached, or a newer Driftline has written it.
        """
        engine = _engine(url)
        file = engine.url.database if engine.dialect.name == "sqlite" else None
        if must_exist and file and not Path(file).is_file():
            raise ConfigError(
                f"database: no file {file}; name the fleet's configuration with -c fleet.yaml, or start "
                "`driftline-fleet controller`, which makes the database"
            )
        try:
            with engine.connect() as connection:
                present = _revision(connection)
            if present != HEAD:
                with engine.begin() as connection:
                    _migrate(connection)
        except SQLAlchemyError as exc:
            engine.dispose()
            raise DatabaseError(f"{_shown(url)}: cannot be used ({_cause(exc)}); check `database`") from exc
        return cls(engine)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        """A session in a transaction that is committed at the end of the block, or undone if it fails.

        Raises:
            DatabaseError: The database has gone, or somebody else has been writing for too long.
        """
        with _wrapped(), Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one moment of the database and changes nothing.

        Raises:
            DatabaseError: The database has gone.
        """
        options: dict[str, object] = {_READ_ONLY: True}
        if self._engine.dialect.name == "postgresql":
            options["isolation_level"] = "REPEATABLE READ"
        with _wrapped(), Session(self._engine.execution_options(**options), expire_on_commit=False) as session:
            yield session


@contextlib.contextmanager
def _wrapped() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as exc:
        raise DatabaseError(f"fleet database: {_cause(exc)}") from exc


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        is_sqlite = parsed.get_backend_name() == "sqlite"
        options = {"connect_args": {"timeout": BUSY_TIMEOUT_S}} if is_sqlite else {"pool_pre_ping": True}
        engine = create_engine(parsed, **options)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as exc:
        raise ConfigError(
            f"database: found {_shown(url)!r} ({exc}), expected a URL such as sqlite:///fleet.sqlite, "
            "with the driver of any other database installed"
        ) from exc
    if is_sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif engine.dialect.name == "postgresql":
        event.listen(engine, "begin", _begin_postgresql)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late and takes no lock
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    is_reading = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")


def _begin_postgresql(connection: Connection) -> None:
    if not connection.get_execution_options().get(_READ_ONLY, False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS_LOCK})")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision is not None and revision > HEAD:
        raise DatabaseError(
            f"the fleet database has tables of version {revision}, this Driftline knows {HEAD}: update Driftline"
        )
    return revision


def _migrate(connection: Connection) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of every plug-in that it has
    from alembic import command
    from alembic.config import Config

    if _revision(connection) == HEAD:  # another process was faster
        return
    config = Config()
    config.set_main_option("script_location", "deploy.fleet:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    log.info("fleet database migrated version=%s", HEAD)


def _shown(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url[:60]


def _cause(exc: SQLAlchemyError) -> str:
    return str(getattr(exc, "orig", None) or exc).splitlines()[0]
