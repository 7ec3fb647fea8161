"""The pages of the main host."""
