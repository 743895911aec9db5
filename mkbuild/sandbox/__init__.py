"""Namespaces, chroot, seccomp: where a RUN runs. Standard library only."""
