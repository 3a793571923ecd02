"""What a notebook imports: results as data frames, trained generators, figures of any frame."""
