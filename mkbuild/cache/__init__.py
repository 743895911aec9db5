"""The action cache and its back ends."""
