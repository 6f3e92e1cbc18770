"""The one program that every service of a shop runs; what it does stands in the shop's TOML file."""
