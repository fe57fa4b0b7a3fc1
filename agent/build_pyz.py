"""``make agent``: packs the agent into one file for any Python from 3.9 on. The same sources give the same file."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path
from typing import Final

_AGENT: Final = Path(__file__).resolve().parent
_MAIN: Final = """\
import sys

if sys.version_info < (3, 9):
    sys.exit("spot-agent: it needs Python 3.9 or newer, and this is %s %s" % (sys.executable, sys.version.split()[0]))

if sys.argv[1:] == ["helper"]:  # begun within a notice: it loads nothing that it does not need
    from spot_agent.installed.helper import main
else:
    from spot_agent.__main__ import main

sys.exit(main())
"""
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)
_READABLE: Final = 0o644 << 16


def build(target: Path) -> None:
    """Write the file, in place of an older one only once it is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_suffix(".new")
    archive = io.BytesIO()  # by itself: its offsets then hold behind any first line, and `install` writes another
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        _add(packed, "__main__.py", _MAIN.encode())
        for source in sorted((_AGENT / "spot_agent").rglob("*.py")):
            _add(packed, source.relative_to(_AGENT).as_posix(), source.read_bytes())
    new.write_bytes(b"#!/usr/bin/env python3\n" + archive.getvalue())
    new.chmod(0o755)
    new.replace(target)


def _add(packed: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _LONG_AGO)
    entry.external_attr, entry.compress_type = _READABLE, zipfile.ZIP_DEFLATED
    packed.writestr(entry, content)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
