"""Reads the text of Nuke scripts and runs the graphs in it, as far as ReAge's gizmos need it."""
