"""The command line `rsae`."""
