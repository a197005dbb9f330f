"""The content of pages, as data without HTML. All modules are pure except ``dead_letters``, which reads and changes the
hub.
"""
