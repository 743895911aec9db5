"""Trees on disk: layers read and written, uppers and full trees scanned, diffs merged and kept."""
