"""States made real: TOCs, diffs, tar layers, overlay trees."""
