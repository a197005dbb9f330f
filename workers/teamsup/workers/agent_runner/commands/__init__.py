"""The commands of people about runs."""
