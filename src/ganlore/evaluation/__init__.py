"""From trained generators to tidy tables of metrics."""
