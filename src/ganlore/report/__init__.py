"""From results to a page, figures, LaTeX and a paper."""
