"""The content of pages, as data without HTML. Pure, except the dead letters, which read and change the hub."""
