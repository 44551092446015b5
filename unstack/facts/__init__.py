"""pyinfra facts: read a host, return typed values, change nothing."""
