"""Plots of the team's samples, as SVG without styles. All modules here are pure."""
