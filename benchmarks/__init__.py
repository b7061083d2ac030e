"""Measurements of the package: each script prints a table and writes JSON and a picture."""
