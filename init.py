"""Nuke runs this file at every start, with a GUI or without, when its folder is on the plugin path."""

import sys
from pathlib import Path

try:
    _root = str(Path(__file__).resolve().parent)
    if _root not in sys.path:
        sys.path.append(_root)
    from nuke_reage.nuke_host import startup

    startup.init(_root)
except Exception:  # a broken ReAge must not keep Nuke from starting; menu.py tells the artist
    sys.excepthook(*sys.exc_info())
