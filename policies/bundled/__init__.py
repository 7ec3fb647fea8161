"""The policy that a new installation starts with: a schema, `*.cedar`, and examples that are tests."""
