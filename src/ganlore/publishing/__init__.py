"""A finished study in git, and whether files are what their records say."""
