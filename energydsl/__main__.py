"""`python -m energydsl`."""

from energydsl.cli.main import main

main()
