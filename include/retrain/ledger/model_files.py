"""Model files that Retrain logged or a person adopted, each with the digest that proves it."""

from itertools import groupby

from retrain.errors import NotInLedgerError
from retrain.later import Trial
from retrain.ledger.anchors import Anchors
from retrain.ledger.database import add_model
from retrain.ledger.promotions import before
from retrain.records import ModelFile, Promotion, Subset, VersionId

_COLUMNS = "uri, digest, model, name, snapshot, run_id, subsets, made_at, recipe, identity, python"


class ModelFiles(Anchors):
    """Table `model_files`: a row for each file, with its digest and the registered version that was made of it."""

    def save_model_file(self, file: ModelFile, spec: str | None = None) -> None:
        """Put a file that Retrain logged into the ledger. A second call for the same URI changes nothing.

        spec: that it was fitted by, as JSON.
        """
        self._put_model_file(file, spec=spec)

    def adopt(self, file: ModelFile, version: str, *, by: str, why: str) -> None:
        """Put the file of a version that Retrain did not log into the ledger. If two do so, the first one counts."""
        self._put_model_file(file, version, by, why)

    def _put_model_file(
        self,
        file: ModelFile,
        version: str | None = None,
        by: str | None = None,
        why: str | None = None,
        spec: str | None = None,
    ) -> None:
        with self._transaction() as cursor:
            if by is not None:
                add_model(cursor, file.model)
            cursor.execute(
                f"INSERT INTO retrain.model_files ({_COLUMNS}, version, adopted_by, adopted_why, spec) "  # noqa: S608 - ours
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (
                    *(file.uri, file.digest, file.model, file.name, file.snapshot, file.run_id, list(file.subsets)),
                    *(file.made_at, file.recipe, file.identity, file.python, version, by, why, spec),
                ),
            )

    def model_file(self, uri: str) -> ModelFile:
        """Return the file that Retrain logged at this URI. Raises NotInLedgerError if it is not in the ledger."""
        file = next(iter(self._model_files("uri = %s", (uri,))), None)
        if file is None:
            raise NotInLedgerError(f"{uri}: is not in the ledger")
        return file

    def fitted_by(self, file: ModelFile) -> str | None:
        """Return the spec that a file was fitted by, as JSON; None where nobody has recorded it."""
        found = self._value(
            "SELECT spec::text FROM retrain.model_files WHERE (uri, identity) = (%s, %s)", (file.uri, file.identity)
        )
        return None if found is None else str(found)

    def last_fitted(self, model: str, name: str) -> str | None:
        """Return the spec, as JSON, of the newest file of a candidate of this name; None where there is none."""
        found = self._value(
            "SELECT spec::text FROM retrain.model_files WHERE (model, name) = (%s, %s) AND spec IS NOT NULL "
            "ORDER BY logged_at DESC LIMIT 1",
            (model, name),
        )
        return None if found is None else str(found)

    def model_file_of_version(self, model: str, version: str) -> ModelFile | None:
        """Return the file of this version; None if it was neither logged by Retrain nor adopted.

        Of several with this number, the one that was in Production last; if none was, the newest. Whether it is what
        MLflow has under this number now, `production.known` says.
        """
        return next(iter(self.model_files_of_version(model, version)), None)

    def model_files_of_version(self, model: str, version: str) -> list[ModelFile]:
        """Return the files of all versions that ever had this number, in the order of `model_file_of_version`."""
        return self._model_files(
            "model = %s AND version = %s ORDER BY identity = (SELECT to_identity FROM retrain.promotions p "
            "WHERE (p.model, p.to_version) = (f.model, f.version) AND applied_at IS NOT NULL ORDER BY seq DESC LIMIT 1)"
            " DESC NULLS LAST, logged_at DESC",
            (model, version),
        )

    def known_versions(self, model: str) -> set[VersionId]:
        """Return the versions of this model that Retrain logged or a person adopted."""
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT version, identity FROM retrain.model_files WHERE model = %s AND version IS NOT NULL", (model,)
            )
            return {VersionId(row["version"], row["identity"]) for row in cursor.fetchall()}

    def model_files_in_use(self) -> list[ModelFile]:
        """Return the files in Production, those that a rollback would put there, those of the gate's anchors, and those
        of trials that go on.

        Of all models (DESIGN rule 11). A rollback takes the nearest version before that the ledger has a file of.
        """
        with self._transaction() as cursor:
            cursor.execute("SELECT * FROM retrain.promotions WHERE applied_at IS NOT NULL ORDER BY model, seq")
            rows = [Promotion(**row) for row in cursor.fetchall()]
            cursor.execute("SELECT body FROM retrain.trials WHERE ended IS NULL")
            trials = [Trial.from_json(row["body"]) for row in cursor.fetchall()]
        used = [file for each in trials if (file := self.file_of(each.model, each.challenger)) is not None]
        for model, changes in groupby(rows, key=lambda row: row.model):
            history = [*changes]
            head = history[-1].came
            if head is not None:
                targets = (self.file_of(model, each) for each in before(history, head))
                anchor = self.last_anchor(model)
                files = (
                    self.file_of(model, head),
                    next(filter(None, targets), None),
                    None if anchor is None else self.file_of(model, anchor),
                )
                used += {file.uri: file for file in files if file}.values()
        return used

    def file_of(self, model: str, version: VersionId) -> ModelFile | None:
        """Return the file of a version that was recorded before: by what it is made of, whatever its number is now."""
        if version.identity is None:
            return self.model_file_of_version(model, version.number)
        files = self._model_files("model = %s AND identity = %s ORDER BY version IS NULL", (model, version.identity))
        return next(iter(files), None)

    def save_version(self, uri: str, version: str) -> None:
        """Record which version a file is. Raises NotInLedgerError if the file is not in the ledger."""
        with self._transaction() as cursor:
            cursor.execute("UPDATE retrain.model_files SET version = %s WHERE uri = %s", (version, uri))
            if cursor.rowcount == 0:
                raise NotInLedgerError(f"{uri}: is not in the ledger, so it cannot be version {version}")

    def link_version(self, uri: str, version: str, model: str, *, instead_of: str | None = None) -> None:
        """Record which version a file is, if the ledger has it for this model as `instead_of`, or as no version."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE retrain.model_files SET version = %s WHERE uri = %s AND model = %s "
                "AND version IS NOT DISTINCT FROM %s",
                (version, uri, model, instead_of),
            )

    def version_of(self, uri: str, model: str) -> str | None:
        """Return which version of this model a file is; None if it is not a version, or not in the ledger."""
        found: str | None = self._value(
            "SELECT version FROM retrain.model_files WHERE uri = %s AND model = %s", (uri, model)
        )
        return found

    def _model_files(self, condition: str, values: tuple[str, ...]) -> list[ModelFile]:
        with self._transaction() as cursor:
            cursor.execute(
                f"SELECT {_COLUMNS}, adopted_by IS NOT NULL AS adopted FROM retrain.model_files f WHERE {condition}",  # noqa: S608 - ours
                values,
            )
            rows = cursor.fetchall()
        return [ModelFile(**{**row, "subsets": tuple(Subset(subset) for subset in row["subsets"])}) for row in rows]
