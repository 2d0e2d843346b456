"""Mounts that nothing outside a test sees."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

NAMESPACE = ("unshare", "--user", "--mount", "--map-root-user")


def in_namespace(script: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script that may mount: nothing outside of it sees its mounts."""
    return subprocess.run([*NAMESPACE, "sh", "-euc", script], capture_output=True, text=True, timeout=300)


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """A folder for mounts; the test is skipped where users may not mount."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    try:
        probe = in_namespace(f"mount -t tmpfs -o size=1m none {shlex.quote(str(folder))}")
    except FileNotFoundError:
        pytest.skip("no unshare(1) here")
    if probe.returncode:
        pytest.skip(f"no private mounts here: {probe.stderr.strip()}")
    return folder
