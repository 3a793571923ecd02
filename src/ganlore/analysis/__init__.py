"""From tidy tables to estimates, rankings and verdicts."""
