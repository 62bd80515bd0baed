"""A package, so that its stack ends with its last test: an idle stack takes a quarter of two cores."""
