"""Methods trained and tested side by side: what ``benchmarks/methods.py`` is made of."""
