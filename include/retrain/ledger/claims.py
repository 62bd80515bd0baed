"""What a step is about to create in MLflow, and what it created (DESIGN rule 7)."""

from collections.abc import Callable

from retrain.ledger.database import Database


class Claims(Database):
    """Keys of what is made once."""

    def once(self, key: str, find: Callable[[], str | None], create: Callable[[], str]) -> str:
        """What `create` made for this key, the first time that any process got through; made once (DESIGN rule 7).

        The claim's row lock is held while `find` looks for what a killed predecessor made and `create` makes it, so a
        step that runs beside its own ghost waits for it here and then finds what it made.
        """
        with self._transaction() as cursor:
            cursor.execute("INSERT INTO retrain.claims (key) VALUES (%s) ON CONFLICT DO NOTHING", (key,))
            cursor.execute("SELECT made FROM retrain.claims WHERE key = %s FOR UPDATE", (key,))
            made: str | None = cursor.fetchone()["made"]
            if made is None:
                made = find() or create()
                cursor.execute("UPDATE retrain.claims SET made = %s WHERE key = %s", (made, key))
            return made

    def made(self, key: str) -> str | None:
        """What was made for this key; None where nothing was recorded yet."""
        found: str | None = self._value("SELECT made FROM retrain.claims WHERE key = %s", (key,))
        return found
