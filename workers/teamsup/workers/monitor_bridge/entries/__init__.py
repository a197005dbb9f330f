"""Incidents as entries of a page, and the requests about them."""
