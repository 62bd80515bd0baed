"""Model files that Retrain logged or a person adopted, each with the digest that proves it."""

from typing import Any

from retrain.errors import NotInLedgerError
from retrain.ledger.database import Database
from retrain.records import ModelFile, Subset


class ModelFiles(Database):
    """Table `model_files`: a row for each file, with its digest and the registered version that was made of it."""

    def save_model_file(self, file: ModelFile) -> None:
        """Put a file that Retrain logged into the ledger. A second call for the same URI changes nothing."""
        self._put_model_file(file)

    def adopt(self, file: ModelFile, version: str, *, by: str, why: str) -> None:
        """Put the file of a version that Retrain did not log into the ledger. If two do so, the first one counts."""
        self._put_model_file(file, version, by, why)

    def _put_model_file(
        self, file: ModelFile, version: str | None = None, by: str | None = None, why: str | None = None
    ) -> None:
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO retrain.model_files (uri, digest, model, name, snapshot, run_id, subsets, made_at, "
                "recipe, version, adopted_by, adopted_why) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
                "ON CONFLICT DO NOTHING",
                (
                    *(file.uri, file.digest, file.model, file.name, file.snapshot, file.run_id, list(file.subsets)),
                    *(file.made_at, file.recipe, version, by, why),
                ),
            )

    def model_file(self, uri: str) -> ModelFile:
        """Return the file at this URI. Raises NotInLedgerError if it is not in the ledger."""
        file = self._model_file("uri = %s", (uri,))
        if file is None:
            raise NotInLedgerError(f"{uri}: is not in the ledger")
        return file

    def model_file_of_version(self, model: str, version: str) -> ModelFile | None:
        """Return the file of this version; None if it was neither logged by Retrain nor adopted."""
        return self._model_file("model = %s AND version = %s", (model, version))

    def model_files_in_use(self) -> list[ModelFile]:
        """Return the files in Production and those that a rollback would put there, of all models (DESIGN rule 11)."""
        with self._transaction() as cursor:
            cursor.execute(
                "WITH head AS (SELECT DISTINCT ON (model) model, to_version AS version FROM retrain.promotions "
                "WHERE applied_at IS NOT NULL ORDER BY model, seq DESC), "
                "target AS (SELECT DISTINCT ON (p.model) p.model, p.from_version AS version FROM retrain.promotions p "
                "JOIN head ON (head.model, head.version) = (p.model, p.to_version) "
                "WHERE p.applied_at IS NOT NULL AND p.kind <> 'rollback' ORDER BY p.model, p.seq DESC) "
                "SELECT uri, digest, model, name, snapshot, run_id, subsets, made_at, recipe FROM retrain.model_files "
                "WHERE (model, version) IN (SELECT * FROM head UNION SELECT * FROM target) ORDER BY model, version"
            )
            return [_model_file(row) for row in cursor.fetchall()]

    def save_version(self, uri: str, version: str) -> None:
        """Record which version a file is. Raises NotInLedgerError if the file is not in the ledger."""
        with self._transaction() as cursor:
            cursor.execute("UPDATE retrain.model_files SET version = %s WHERE uri = %s", (version, uri))
            if cursor.rowcount == 0:
                raise NotInLedgerError(f"{uri}: is not in the ledger, so it cannot be version {version}")

    def link_version(self, uri: str, version: str, model: str) -> None:
        """Record which version a file is, if the ledger has it for this model and knows no version of it yet."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE retrain.model_files SET version = %s WHERE uri = %s AND model = %s AND version IS NULL",
                (version, uri, model),
            )

    def version_of(self, uri: str, model: str) -> str | None:
        """Return which version of this model a file is; None if it is not a version, or not in the ledger."""
        found: str | None = self._value(
            "SELECT version FROM retrain.model_files WHERE uri = %s AND model = %s", (uri, model)
        )
        return found

    def _model_file(self, condition: str, values: tuple[str, ...]) -> ModelFile | None:
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT uri, digest, model, name, snapshot, run_id, subsets, made_at, recipe "  # noqa: S608 - our conditions
                f"FROM retrain.model_files WHERE {condition}",
                values,
            )
            row = cursor.fetchone()
        return None if row is None else _model_file(row)


def _model_file(row: dict[str, Any]) -> ModelFile:
    return ModelFile(**{**row, "subsets": tuple(Subset(subset) for subset in row["subsets"])})
