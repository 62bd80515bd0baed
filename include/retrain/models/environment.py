"""What a model's process finds in its environment: not that of the task, which holds logins."""

import os

_NAMES = (
    *("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"),
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
)
MORE = "RETRAIN_SANDBOX_ENV"
"""Names of further variables that models need, with commas between them."""


def clean(home: str) -> dict[str, str]:
    """Return the environment for a model. home: a folder in place of the person's own, which may hold logins too."""
    more = (name.strip() for name in os.environ.get(MORE, "").split(","))
    return {"HOME": home} | {name: os.environ[name] for name in (*_NAMES, *more) if name in os.environ}
