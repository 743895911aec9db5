"""``python -m mkbuild``."""

import sys

from mkbuild.cli.main import main

sys.exit(main())
