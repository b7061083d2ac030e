"""The Model Zoo: which weights there are, where they come from, and how they get here."""
