"""Laterality and projection, the two halves of a mammographic view."""

from enum import StrEnum


class Laterality(StrEnum):
    """Which breast (PS3.3 C.8.11.7, Image Laterality)."""

    LEFT = "L"
    RIGHT = "R"
