"""The facts about the worker that its heartbeat carries."""

ADDRESS_KEY = "address"
"""The key in the presence of the worker web: the address of the page, such as "http://127.0.0.1:40123"."""
