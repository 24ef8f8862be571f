"""Faces: find them, follow them through a shot, make them steady and write the trackfile."""
