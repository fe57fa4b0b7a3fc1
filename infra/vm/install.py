"""Installs what is in this package, the agent and the worker kit, or removes it. As root; Python 3.9 or newer.

``install [--queue URL]``: the agent as a service, the worker kit in ``/opt/spot-worker``. ``apply FOLDER``: the same,
and a worker that runs the work package in FOLDER, by settings on standard input. ``remove``: all of that is taken away,
but what the VM's owner put beside it. Each may be called again, also after it was cut off amid its work.
"""

import sys

# This file is understood by Python 3.6 too, so that older ones get as far as this line.
if sys.version_info < (3, 9):  # noqa: UP036
    sys.exit(
        "install.py: Python %d.%d is too old: agent and worker need Python 3.9 or newer. "  # noqa: UP031
        "If there is one beside it, call this by its name, such as: python3.11 install.py" % sys.version_info[:2]
    )

from spot_vm.main import main
from spot_vm.places import Places

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Places(), sys.stdin.read))
