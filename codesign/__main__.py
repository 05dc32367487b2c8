"""`python -m codesign` is the command line."""

from codesign.cli import main

main()
