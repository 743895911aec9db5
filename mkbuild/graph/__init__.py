"""Targets and the edges between them (networkx)."""
