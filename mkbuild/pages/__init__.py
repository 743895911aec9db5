"""Pages to look at: each one self-contained HTML file, made of values; nothing here does I/O."""
