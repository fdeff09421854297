"""The recognisers of textual identifiers, one module for each family. `all_recognisers` is what Presidio runs."""

from presidio_analyzer import EntityRecognizer

from annotation.deid.recognisers.ages import AGES
from annotation.deid.recognisers.census import CensusNames
from annotation.deid.recognisers.contact import CONTACT
from annotation.deid.recognisers.cued_names import CUED_NAMES
from annotation.deid.recognisers.dates import DATES
from annotation.deid.recognisers.numbers import NUMBERS, SHAPES, WEAK_SHAPES
from annotation.deid.recognisers.places import ADDRESSES, CUED_PLACES, FACILITIES, Gazetteer


def all_recognisers() -> list[EntityRecognizer]:
    """Every recogniser, ready to run; the lists behind names and places are read on first use."""
    return [
        DATES,
        AGES,
        CONTACT,
        NUMBERS,
        SHAPES,
        WEAK_SHAPES,
        ADDRESSES,
        FACILITIES,
        CUED_PLACES,
        Gazetteer(),
        CUED_NAMES,
        CensusNames(),
    ]
