"""Blobs by digest, image layouts and archives, garbage collection."""
