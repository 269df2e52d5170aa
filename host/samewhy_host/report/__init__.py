"""The page of a run: reads the run's files, computes nothing."""
