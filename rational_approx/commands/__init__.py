"""The command line `rational-approx`."""
