"""Nuke runs this file when it starts with a GUI and its folder is on the plugin path."""

import sys
from pathlib import Path

try:
    from nuke_reage.nuke_host import startup

    startup.menu(str(Path(__file__).resolve().parent))
except Exception as error:  # what is broken is said where the artist looks for ReAge
    import nuke

    sys.excepthook(*sys.exc_info())
    _text = f"ReAge cannot be loaded: {type(error).__name__}: {error}"
    nuke.menu("Nodes").addMenu("ReAge").addCommand("What is wrong", f"nuke.message({_text!r})")
