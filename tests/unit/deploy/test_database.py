from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, select, text

from deploy.errors import ConfigError, DatabaseError
from deploy.fleet.database import HEAD, FleetDatabase
from deploy.fleet.models import Base, Count, Device
from tests.unit.deploy.fakes import START_S


def device(identity: str) -> Device:
    return Device(id=identity, first_seen=START_S, last_seen=START_S)


def test_the_newest_migration_is_the_one_that_the_program_expects() -> None:
    config = Config()
    config.set_main_option("script_location", "deploy.fleet:migrations")

    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_migrations_make_the_tables_that_the_models_describe(migrated_file: Path) -> None:
    engine = create_engine(f"sqlite:///{migrated_file}")
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    engine.dispose()

    assert differences == []


def test_migrations_speak_postgresql_as_well() -> None:
    written = io.StringIO()
    config = Config(output_buffer=written)
    config.set_main_option("script_location", "deploy.fleet:migrations")
    config.set_main_option("dialect", "postgresql")

    command.upgrade(config, "head", sql=True)

    made = re.findall(r"CREATE TABLE (\w+)", written.getvalue())
    assert set(Base.metadata.tables) <= set(made)


def test_migrations_can_be_undone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'fleet.sqlite'}"
    FleetDatabase.open(url).close()
    config = Config()
    config.set_main_option("script_location", "deploy.fleet:migrations")
    engine = create_engine(url)

    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        left = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
    engine.dispose()

    assert set(left) <= {"alembic_version", "sqlite_sequence"}


def test_a_database_of_the_first_version_keeps_its_rows_on_the_way_up_and_down(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'fleet.sqlite'}"
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", "deploy.fleet:migrations")

    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO devices (id, first_seen, last_seen) VALUES ('pi-1', 1.0, 2.0)"))
    with_counts = FleetDatabase.open(url)
    with with_counts.write() as session:
        session.add(
            Count(
                device="pi-1", boot=1, seq=2**40, bundle="a" * 64, artifact="x", profile="0" * 16, n=1, thin=1.0,
                sketch="s", received_at=3.0,
            )
        )  # fmt: skip
    with with_counts.read() as session:
        assert [row.device for row in session.scalars(select(Count))] == ["pi-1"]
    with_counts.close()

    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
        assert connection.execute(text("SELECT id FROM devices")).scalars().all() == ["pi-1"]
    engine.dispose()


def test_opening_twice_keeps_what_is_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'fleet.sqlite'}"
    first = FleetDatabase.open(url)
    with first.write() as session:
        session.add(device("pi-1"))
    first.close()

    second = FleetDatabase.open(url)

    with second.read() as session:
        assert session.get(Device, "pi-1") is not None
    second.close()


def test_a_failed_block_leaves_nothing_behind(database: FleetDatabase) -> None:
    class Stop(Exception):  # noqa: N818 - a signal, not an error
        pass

    def fail_in_the_middle() -> None:
        with database.write() as session:
            session.add(device("pi-1"))
            session.flush()
            raise Stop

    with pytest.raises(Stop):
        fail_in_the_middle()
    with database.read() as session:
        assert session.get(Device, "pi-1") is None


def test_a_reader_does_not_wait_for_a_writer(database: FleetDatabase) -> None:
    with database.write() as writer:
        writer.add(device("pi-1"))
        writer.flush()
        with database.read() as reader:
            assert reader.get(Device, "pi-1") is None


def test_tables_of_a_newer_version_are_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'fleet.sqlite'}"
    FleetDatabase.open(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()

    with pytest.raises(DatabaseError, match="version 9999, this Driftline knows"):
        FleetDatabase.open(url)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fleet.sqlite"
    path.write_bytes(b"not a database" * 100)

    with pytest.raises(DatabaseError, match="not a database"):
        FleetDatabase.open(f"sqlite:///{path}")


@pytest.mark.parametrize(
    ("url", "found"),
    [("nonsense", "nonsense"), ("mystery://x/y", "mystery"), ("postgresql+nodriver://u:secret@h/d", r"u:\*\*\*@h")],
)
def test_a_wrong_url_is_one_clear_error_without_the_password(url: str, found: str) -> None:
    with pytest.raises(ConfigError, match=found) as caught:
        FleetDatabase.open(url)

    assert "secret" not in str(caught.value)


def test_whoever_only_reads_makes_no_new_file(tmp_path: Path) -> None:
    path = tmp_path / "fleet.sqlite"

    with pytest.raises(ConfigError, match="no file"):
        FleetDatabase.open(f"sqlite:///{path}", must_exist=True)

    assert not path.exists()
