"""Claims: what a step is about to create in MLflow, and what it created (DESIGN rule 7)."""

from collections.abc import Callable

from retrain.ledger.database import Database


class Claims(Database):
    """Table `claims`: a row for each key, with the id of what was made for it."""

    def once(self, key: str, find: Callable[[], str | None], create: Callable[[], str]) -> str:
        """Return the id of what was made for this key. The first process that gets through makes it (DESIGN rule 7).

        The row of the claim is locked while `find` looks for what a killed predecessor made, and while `create` makes
        it. So a step that runs beside its own ghost waits here, and then finds what the ghost made.

        find: returns the id of what was made for this key before, else None. create: makes it, and returns its id.
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
        """Return the id of what was made for this key; None if none is recorded."""
        found: str | None = self._value("SELECT made FROM retrain.claims WHERE key = %s", (key,))
        return found
