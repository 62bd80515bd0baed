"""The corners: which Airflow, under whose pins, with which Python, MLflow client and MLflow server."""

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
EXTRAS = ("adbc", "apprise", "celery", "report", "s3", "slack", "smtp")
"""Those that are installed in each corner: all but what is large, or MLflow's server."""


@dataclass(frozen=True)
class Corner:
    name: str
    airflow: str
    """Requirement of apache-airflow, such as `==3.1.8`."""
    python: str
    offer: str
    """Who runs this: a managed offer whose pins are in its lock, or why the corner is there."""
    server: str
    """Version of MLflow's server; it has an environment of its own."""
    pins: tuple[str, ...] = ()
    """Further requirements."""
    until: str = ""
    """Day of the newest package; empty: today. Stands for the constraints of a release whose file is not at hand."""
    resolution: str = "highest"

    @property
    def lock(self) -> Path:
        return HERE / "locks" / f"{self.name}.txt"


CORNERS = (
    Corner(
        "lowest",
        "==3.1.0",
        "3.11",
        "our floors: the lowest version of each package that we name",
        server="3.5.1",
        pins=("structlog<25.5", "fastapi<0.118", "pyjwt<2.11"),  # Airflow 3.1.0 does not run with later ones
        resolution="lowest-direct",
        until="2026-04-01",
    ),
    Corner(
        "3.1-composer",
        "==3.1.7",
        "3.11",
        "Google Cloud Composer 3 is at Airflow 3.1.7; packages as of that release, pandas 2",
        server="3.5.1",
        pins=("pandas<3", "mlflow-skinny==3.10.*"),
        until="2026-03-15",
    ),
    Corner(
        "3.1",
        "==3.1.8",
        "3.12",
        "Airflow 3.1.8, packages as of its release",
        server="3.10.1",
        pins=("pandas<3",),  # MLflow 3.10 asks for it
        until="2026-04-01",
    ),
    Corner("3.2-mwaa", "==3.2.1", "3.12", "Amazon MWAA 3.2.1: its constraints", server="3.10.1"),
    Corner("3.3-mwaa", "==3.3.1", "3.12", "Amazon MWAA 3.3.1: its constraints", server="3.17.2"),
    Corner(
        "highest",
        ">=3.3.2,<3.4",
        "3.13",
        "the newest of everything; Astro is at Airflow 3.3",
        server="3.17.2",
        pins=("mlflow-skinny<3.18", "pyarrow<26"),  # MLflow 3.17 asks for it
    ),
)


def corner(name: str) -> Corner:
    """Return a corner by its name. Raises KeyError."""
    return {each.name: each for each in CORNERS}[name]


def servers() -> list[str]:
    """Return the versions of MLflow's server in all corners."""
    return sorted({each.server for each in CORNERS})


def server_lock(version: str) -> Path:
    return HERE / "locks" / f"mlflow-{version}.txt"
