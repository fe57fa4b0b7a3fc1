"""Looks at a work package before it is deployed: what a VM could not use is said here, and not by each VM.

Usage: python3 scripts/check_work.py WORK.tar.gz [MODULE:FUNCTION]; exit code 0, or 1 with a line of what is wrong.
Standard library only, for any Python from 3.9 on.
"""

from __future__ import annotations

import posixpath
import sys
import tarfile
from pathlib import PurePosixPath

PACK_AGAIN = "pack it so: tar -czf work.tar.gz -C my-folder ."


def complaint(package: str, function: str) -> str:
    """Say what is wrong, and what to do; "" if a VM can use it."""
    try:
        with tarfile.open(package, "r:gz") as packed:
            members = packed.getmembers()
    except (OSError, EOFError, tarfile.TarError) as error:
        return f"{package} is no .tar.gz ({error}): {PACK_AGAIN}"
    paths = [PurePosixPath(member.name) for member in members]
    names = {str(one) for path in paths for one in (path, *path.parents)}
    if outside := [member.name for member in members if _leads_outside(member)]:
        return f"{package}: {outside[0]} leads out of the package, which no VM unpacks: leave it out, and {PACK_AGAIN}"
    if nowhere := _link_to_nothing(members, names):
        return f"{package}: {nowhere} is a link to nothing in the package: leave it out, and {PACK_AGAIN}"
    module = function.partition(":")[0].partition(".")[0]
    if module and not {f"{module}.py", module} & names:
        top = sorted({name.split("/")[0] for name in names} - {"."})
        return (
            f"{package} has no {module}.py at its top, which workFunction={function} names; there is "
            f"{', '.join(top[:5]) or 'nothing'}: {PACK_AGAIN}"
        )
    return ""


def _link_to_nothing(members: list[tarfile.TarInfo], names: set[str]) -> str:
    links = [member for member in members if member.issym()]
    through = {str(PurePosixPath(member.name)) for member in links}
    for member in links:
        target = PurePosixPath(posixpath.normpath(PurePosixPath(member.name).parent / member.linkname))
        # What is behind another link is left to the VM.
        if str(target) not in names | {"."} and not through & {str(above) for above in target.parents}:
            return member.name
    return ""


def _leads_outside(member: tarfile.TarInfo) -> bool:
    path = PurePosixPath(member.name)
    target = PurePosixPath(member.linkname if member.islnk() or member.issym() else "")
    base = path.parent if member.issym() else PurePosixPath()
    depth = 0
    for part in (base / target).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return path.is_absolute() or target.is_absolute() or ".." in path.parts


def main(words: list[str]) -> int:
    """Look; 0, or 1 with a line."""
    said = complaint(words[0], words[1] if len(words) > 1 else "")
    if said:
        sys.stderr.write(f"deploy-workload: {said}\n")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
