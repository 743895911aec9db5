"""requests is loaded without what it does not need here."""

import subprocess
import sys


def test_nothing_guesses_encodings() -> None:
    code = (
        "import sys, mkbuild.execute.download, mkbuild.registry.transport\n"
        "print('charset_normalizer' in sys.modules, 'requests' in sys.modules)\n"
        "import charset_normalizer\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error::Warning:requests", "-c", code],
        check=True,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("False True\n", "")
