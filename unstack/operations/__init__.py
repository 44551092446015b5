"""pyinfra operations: validate, read facts, noop with a reason or yield commands."""
