"""The numbers of those whom every world has. As large as real ones: one that went through a float is noticed."""

BOT = 1_100_000_000_000_000_001  # its user and its application
GUILD = 1_100_000_000_000_000_010
OPERATORS = 1_100_000_000_000_000_015  # a role that nobody has yet
BOT_ROLE = 1_100_000_000_000_000_016
CHANNEL = 1_100_000_000_000_000_020
ANN = 1_100_000_000_000_000_030
BOB = 1_100_000_000_000_000_031
OTHER_BOT = 1_100_000_000_000_000_039
FIRST_FREE = 1_100_000_000_000_001_000
