"""From independent units to a model: the path between them, walks along it, and what their weights say of log Z."""
