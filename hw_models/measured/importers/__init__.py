"""Profiles that other tools wrote, one file a format; a file is known by its content, not its ending."""
