"""Text to tree and back: `parse` and `print_module`."""

from energydsl.syntax.parser import parse as parse
from energydsl.syntax.printer import print_module as print_module
