"""What pages show, as data without HTML. Pure, but for the dead letters, which read and change the hub."""
