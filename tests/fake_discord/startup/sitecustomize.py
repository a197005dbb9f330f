"""With this folder on $PYTHONPATH the gateway of a whole team, and doctor, take $FAKE_DISCORD for Discord."""

import os
import sys

if any(word.endswith("discord_gateway") or word == "doctor" for word in sys.orig_argv):
    from fake_discord.redirect import redirect_to

    redirect_to(os.environ["FAKE_DISCORD"])
