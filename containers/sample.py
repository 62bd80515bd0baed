"""Loads the sample tables into the source database: `docker compose run --rm sample`."""

import os

from stack.samples import tables

if __name__ == "__main__":
    tables.load_into(os.environ["SOURCE_DSN"])
