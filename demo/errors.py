"""The one error of this package."""


class DemoError(Exception):
    """The demonstration cannot go on; the text is one line that says what is wrong."""
