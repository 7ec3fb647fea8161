"""What is allowed: the words of an access request, and a verdict with its reasons. Pure; knows no other package."""
