"""What is approximated: functions, gates, samples."""
