"""`python -m twotier.cli` is `twotier`."""

from twotier.cli import main

main()
