"""Turns a missed action into a result."""
