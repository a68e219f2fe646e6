#!/usr/bin/env python3
"""Is the gateway in this container ready to take in and decide alarms? Exit code 0 or 1; says what is missing."""

import json
import os
import sys
import urllib.error
import urllib.request

PORT = os.environ.get("ANJU_API__PORT", "8120")
try:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=4):
        sys.exit(0)
except urllib.error.HTTPError as error:
    sys.stderr.write(f"not ready: {', '.join(json.load(error).get('failed', []))}\n")
except (OSError, ValueError) as error:
    sys.stderr.write(f"no answer at port {PORT}: {error}\n")
sys.exit(1)
