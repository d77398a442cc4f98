"""What editors need: a language server, and the tables that other highlighters are made from."""
