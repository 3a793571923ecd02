"""How a run trains: built from its settings, then step after step."""
