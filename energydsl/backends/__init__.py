"""One printer and one small runtime a backend; imported when asked for."""
