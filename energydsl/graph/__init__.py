"""Who meets whom: layers and terms, edges, colours of units. The only room that knows NetworkX."""
