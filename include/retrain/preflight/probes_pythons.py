"""The interpreters that `RETRAIN_PYTHONS` lists: whether each runs, and has what our script there imports."""

import subprocess
from collections.abc import Iterator

from retrain.models import pythons
from retrain.preflight.probe import Found, fail, good
from retrain.text import one_line

_SECONDS = 60
_CODE = "import sys, numpy, pandas; print('Python', sys.version.split()[0])"


def look() -> Iterator[Found]:
    """Yield whether each interpreter can be asked."""
    for name, path in pythons.listed().items():
        about = f"interpreter {name}"
        try:
            done = subprocess.run(
                [path, "-I", "-c", _CODE], capture_output=True, text=True, check=False, timeout=_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            yield fail(
                about,
                f"{path} does not run: {one_line(error)}",
                f"let {pythons.VARIABLE} name a Python that is there, on each machine that runs tasks",
            )
            continue
        if done.returncode:
            last = one_line(done.stderr.strip().rpartition("\n")[2])
            yield fail(
                about,
                f"{path} cannot be asked: {last}",
                f"run `{path} -m pip install numpy pandas`, in the versions of the model",
            )
        else:
            yield good(about, done.stdout.strip())
