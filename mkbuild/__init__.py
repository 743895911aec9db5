"""mkbuild: Make for container images."""

__version__ = "0.1.0"
