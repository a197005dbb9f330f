"""Several hosts of one team: the leases of this host, and requests between hosts."""
