"""From tidy tables to a verdict on each claim."""
