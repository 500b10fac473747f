"""From a function to code for all numbers of a format, with a proved error in units in the last place."""
