"""The module behind the notebooks: reads, trains, judges and explains. Not for clinical use."""
