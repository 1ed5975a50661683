"""Ask pip-audit for known vulnerabilities of the installed packages, and say how many it could really look up.

Exit status 0: nothing known, or the advisory index cannot be reached (a line says so). Status 1: a vulnerability is
known. Status 2: pip-audit failed for a reason that has nothing to do with the network.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

_NETWORK_ERRORS = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "NameResolutionError", "ServiceError")


def judge(report: dict[str, Any]) -> tuple[int, list[str]]:
    """Return the exit status and the lines to print for a report of ``pip-audit --format json``."""
    packages = report["dependencies"]
    vulnerable = [package for package in packages if package.get("vulns")]
    looked_up = sum("vulns" in package for package in packages)
    lines = [
        f"{package['name']} {package['version']}: {vulnerability['id']}, "
        f"fixed in {', '.join(vulnerability['fix_versions']) or 'no version yet'}"
        for package in vulnerable
        for vulnerability in package["vulns"]
    ]
    if looked_up:
        lines.append(f"pip-audit: {looked_up} of {len(packages)} packages looked up, {len(vulnerable)} vulnerable")
    else:
        lines.append("pip-audit: NOT AUDITED, the advisory index knows none of the packages or cannot be reached")
    return (1 if vulnerable else 0), lines


def main() -> int:
    command = [sys.executable, "-m", "pip_audit", "--local", "--progress-spinner", "off", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        status, lines = judge(json.loads(done.stdout))
    except json.JSONDecodeError:
        if any(name in done.stderr for name in _NETWORK_ERRORS):
            status, lines = 0, ["pip-audit: NOT AUDITED, the advisory index cannot be reached"]
        else:
            status, lines = 2, done.stderr.splitlines()[-5:]
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())
