"""The derivation certificate: what was derived from a model, compared with an oracle that shares no code with it."""
