"""A package, so that its stack ends with its last test: while it idles, it takes a quarter of two cores."""
