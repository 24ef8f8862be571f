"""Movies in and out."""

from __future__ import annotations

from nuke_reage.media.movie_read import MOVIE_SUFFIXES, MovieSource
from nuke_reage.media.movie_write import MovieWriter

__all__ = ["MOVIE_SUFFIXES", "MovieSource", "MovieWriter"]
