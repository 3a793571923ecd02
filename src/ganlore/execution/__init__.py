"""Where a run stands, whether its files are fresh, and the GPU that a job may use."""
