"""Build contexts: ignore patterns, scan, remembered digests."""
