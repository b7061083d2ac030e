"""``python -m cclgan_plugin``: the command ``basicsr``."""

from __future__ import annotations

import sys

from cclgan_plugin.cli.main import main

if __name__ == '__main__':
    sys.exit(main())
