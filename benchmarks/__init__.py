"""Measures mkbuild against its peers, beside the project: ``python -m benchmarks --help``."""
