"""The command line: one module a verb, loaded lazily."""
