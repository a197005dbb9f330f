"""With this folder on $PYTHONPATH the gateway of a whole team takes $FAKE_DISCORD for Discord."""

import os
import sys

if any(word.endswith("discord_gateway") for word in sys.orig_argv):
    from fake_discord.pointed import point_at

    point_at(os.environ["FAKE_DISCORD"])
