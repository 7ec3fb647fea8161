"""What `lanyard` is told on the command line: the words of each command, and which function of which room does it."""
