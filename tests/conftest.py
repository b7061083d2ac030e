"""Any test may import BasicSR, in any order: it has been mended before the first test is collected."""

import cclgan_plugin  # noqa: F401
