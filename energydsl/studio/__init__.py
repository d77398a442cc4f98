"""A local page on which one writes an energy and sees what follows from it."""
