"""The command ``basicsr``: one file per command, which parses, calls and reports."""
