"""The whole team at once, with real processes, under traffic and chaos, and its balance sheet.

``python -m soak.whole_team 60`` lasts about so many minutes.
"""
