"""Plots of the team's samples, as SVG without a style of their own. All of it is pure."""
