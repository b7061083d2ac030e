"""Measurements of the package: each script prints a table and writes JSON and a picture."""

# Whatever a script imports first, BasicSR has been mended by then.
import cclgan_plugin  # noqa: F401
