"""nuke -t reage_bake.py script.nk [--node ReAge1] --frames 1001-1010: export plates, write job files for the farm."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))

from nuke_reage.nuke_host import bake_script

if __name__ == "__main__":
    sys.exit(bake_script.main(sys.argv[1:]))
