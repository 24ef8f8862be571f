"""Write gizmos/ and docs/nuke-knobs.md: ``python -m tools.gizmos``; with ``--check``, say what is not up to date.

``text`` writes the language of Nuke scripts, ``knobs`` makes the panels from the tables of knobs, ``graph`` the nodes
inside, ``pages`` the page of the documentation, ``icons`` the pictures.
"""
