"""From stages to actions with keys: pure."""
