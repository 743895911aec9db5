"""Filesystems as values: TOCs, merged views, canonical diffs. Nothing here touches a disk."""
