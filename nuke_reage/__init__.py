"""ReAge: re-age faces in scene-linear plates, from Foundry Nuke, the command line or a farm."""

__version__ = "0.1.0"
