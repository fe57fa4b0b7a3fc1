"""Run the operator's commands: ``python -m spot_responder``."""

from __future__ import annotations

import sys

from spot_responder.cli import main

sys.exit(main())
