"""What looks like Production in MLflow, and of which a person has said that it is not."""

from retrain.ledger.database import Database


class Dismissals(Database):
    """Table `dismissals`: a row for each version, as it stood when it was dismissed."""

    def dismiss(self, model: str, identity: str, standing: str, *, by: str, why: str) -> None:
        """Say that a version is not Production. A second call for the same version as it stands changes nothing."""
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO retrain.dismissals (model, identity, standing, by, why) VALUES (%s, %s, %s, %s, %s) "
                "ON CONFLICT DO NOTHING",
                (model, identity, standing, by, why),
            )

    def dismissed(self, model: str) -> set[tuple[str, str]]:
        """Return the identity and the standing of each version of this model that was dismissed."""
        with self._transaction() as cursor:
            cursor.execute("SELECT identity, standing FROM retrain.dismissals WHERE model = %s", (model,))
            return {(row["identity"], row["standing"]) for row in cursor.fetchall()}
