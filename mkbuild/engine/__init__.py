"""Composition root: puts the parts together for one invocation."""
