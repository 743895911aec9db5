# Counts the lines of each file below a directory, /srv by default.
find "${1:-/srv}" -type f -exec wc -l {} +
