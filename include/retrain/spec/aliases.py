"""Section `aliases` of a spec: which of MLflow's aliases say what is in Production and in Staging."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, model_validator
from pydantic_core import PydanticCustomError

from retrain.spec.fields import Section


def _taken_by_mlflow(alias: str) -> str:
    """Return the alias. Raises PydanticCustomError for a name that MLflow refuses, or takes for something else."""
    if not re.fullmatch(r"[\w-]{1,255}", alias):
        raise PydanticCustomError(
            "alias", "is not an alias for MLflow; write 1 to 255 letters, digits, - and _, as in champion"
        )
    if alias.lower() == "latest" or re.fullmatch(r"[vV]\d+", alias):
        raise PydanticCustomError(
            "alias", "is a name that MLflow keeps for itself, like latest, v1 and v2; write another, as in champion"
        )
    return alias


Alias = Annotated[str, AfterValidator(_taken_by_mlflow)]


class Aliases(Section):
    """MLflow's aliases of the versions in Production and in Staging. They are the model's own: others use others."""

    production: Alias = "production"
    """Its owner is in Production: `models:/<model>@production`."""
    staging: Alias = "staging"
    """Its owner is in Staging. A person puts a version there, or a trial does; no cycle."""

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.production == self.staging:
            raise PydanticCustomError(
                "alias", "names {alias} twice; production and staging are two aliases", {"alias": self.production}
            )
        return self
