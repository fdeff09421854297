"""The recognisers of textual identifiers, one module for each family. `all_recognisers` is what Presidio runs."""

from collections.abc import Iterator

from annotation.deid.presidio import EntityRecognizer
from annotation.deid.recognisers.ages import AGES
from annotation.deid.recognisers.census import CensusNames
from annotation.deid.recognisers.contact import ADDRESSES_OF_MACHINES, CONTACT, NUMBERS_TO_CALL
from annotation.deid.recognisers.cued_names import CUED_NAMES
from annotation.deid.recognisers.dates import DATES, DATES_IN_DIGITS
from annotation.deid.recognisers.facilities import CUED_PLACES, FACILITIES
from annotation.deid.recognisers.gazetteer import Gazetteer
from annotation.deid.recognisers.numbers import NUMBERS
from annotation.deid.recognisers.places import ADDRESSES
from annotation.deid.recognisers.rules import ANY, LANGUAGES, RuleRecogniser
from annotation.deid.recognisers.shapes import SHAPES
from annotation.deid.recognisers.spanish import AGES_ES, CONTACT_ES, DATES_ES, NAMES_ES, NUMBERS_ES
from annotation.deid.recognisers.spanish_places import PLACES_ES

FAMILIES = (
    DATES_IN_DIGITS,
    DATES,
    AGES,
    ADDRESSES_OF_MACHINES,
    NUMBERS_TO_CALL,
    CONTACT,
    NUMBERS,
    SHAPES,
    ADDRESSES,
    FACILITIES,
    CUED_PLACES,
    CUED_NAMES,
    NAMES_ES,
    DATES_ES,
    AGES_ES,
    NUMBERS_ES,
    CONTACT_ES,
    PLACES_ES,
)


# What is found by word lists and not by a rule: the recogniser, its rule, the label, and a phrase for people.
BY_LISTS = (
    ("census-names", "first-last", "NAME", "a first name of the US census with a surname behind it"),
    ("census-names", "first", "NAME", "a first name of the US census alone, when it is no ordinary word"),
    ("gazetteer", "city", "LOCATION", "a city of the list, with a state or a clinic behind it"),
)
SPOKEN = {"en": "English", "es": "Spanish"}


def as_markdown() -> str:
    """Every rule with the label that it gives and what it finds, as docs/deid_rules.md."""
    rows = [
        (
            f"{family.name}/{item.name}",
            item.label,
            " ".join(SPOKEN[code] for code in family.languages if code in SPOKEN),
            item.says,
        )
        for family in FAMILIES
        for item in family.rules
    ]
    rows += [(f"{family}/{name}", label, " ".join(SPOKEN.values()), says) for family, name, label, says in BY_LISTS]
    lines = [
        f"| `{source}` | {label} | {spoken} | {says.replace('|', chr(92) + '|')} |"
        for source, label, spoken, says in rows
    ]
    return "\n".join((HEADING.format(n=len(rows)), *lines)) + "\n"


HEADING = """# The rules, one by one

The {n} rules of the pass `rules`. The first column is the `source` that a redaction carries. Notes in other languages
are read by the rules of both. This page is written by `manage.py deid_rules`.

| source | label | notes in | what it finds |
|---|---|---|---|"""


def rule_language(code: str) -> str:
    """The one of LANGUAGES whose rules read a note in language `code`, such as "en-GB"; ANY where there are none."""
    language = code.replace("_", "-").partition("-")[0].lower()
    return language if language in LANGUAGES else ANY


def all_recognisers() -> Iterator[EntityRecognizer]:
    """Every recogniser of every language, ready to run; the lists behind names and places are read on first use."""
    for language in LANGUAGES:
        for family in FAMILIES:
            if language in family.languages:
                yield RuleRecogniser(family, language)
        yield Gazetteer(language)
        yield CensusNames(language)
