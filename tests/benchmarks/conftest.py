"""The benchmarks are not installed: their tests find them in the checkout, beside the package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
