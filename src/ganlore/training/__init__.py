"""Training of a run: networks and optimisers from its settings, then the loop over steps."""
