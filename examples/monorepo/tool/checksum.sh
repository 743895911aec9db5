#!/bin/sh
# checksum DIRECTORY: one line a file, sorted. Version @VERSION@.
cd "$1" && find . -type f | LC_ALL=C sort | while read -r file; do sha256sum "$file"; done
