"""requests, without the library that guesses encodings of text.

requests looks for that library when it is imported, works without it, and is asked for bytes and
JSON only; to load it takes 7 ms of every build. So whoever needs requests imports it from here.
"""

import sys
import warnings

_GUESSER = "charset_normalizer"

_hidden = _GUESSER not in sys.modules
if _hidden:
    sys.modules[_GUESSER] = None  # type: ignore[assignment]  # what makes an import fail
try:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Unable to find acceptable character detection")
        import requests
        from requests.adapters import HTTPAdapter
        from requests.auth import HTTPBasicAuth
        from requests.utils import get_auth_from_url
finally:
    if _hidden:
        del sys.modules[_GUESSER]

__all__ = ["HTTPAdapter", "HTTPBasicAuth", "get_auth_from_url", "requests"]
