"""Options: read safely, inherited, overridden on the command line, checked against one typed schema.

The way of an option from the file to the object that uses it:
``yaml_file`` -> ``inherit`` -> ``force`` -> ``check`` (with ``schema``, ``walk``, ``rules``) -> ``parse``.
Then ``preflight`` looks at the files that the options name.
"""
