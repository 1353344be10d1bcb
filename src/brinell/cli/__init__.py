"""The command line: parse, call, print. Heavy packages are imported by the commands that need them."""

from brinell.cli.app import main

__all__ = ["main"]
