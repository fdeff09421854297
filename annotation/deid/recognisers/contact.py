"""Ways to reach somebody: telephone, fax, e-mail, web and network addresses."""

import regex

from annotation.deid.recognisers.rules import Rule, RuleRecogniser, any_of, rule

EXTENSION = r"(?:,?\s?(?:x|ext\.?|extension)\s?\d{1,6})?"
TEN_DIGITS = rf"(?:\+?1[-.\s]?)?(?:\(\d{{3}}\)\s?|\d{{3}}[-./\s])\d{{3}}[-.\s]\d{{4}}(?!\d){EXTENSION}"
ANY_NUMBER = rf"\+?\(?\d[\d().\s/-]{{2,18}}\d{EXTENSION}"
LINK = r"(?:\s?(?:no|num|number|nos|at|is|was|line|the|to|on|contact)\b\.?|[\s:#=.)-]|\((?!\d)){0,8}+"
TOP_LEVEL = any_of(
    """com org net edu gov mil io info biz health hospital clinic care med local internal intranet lan corp us uk ca
    de fr es it eu au in nz ie app dev me"""
)
REACHED_BY = any_of(
    """tel telephone phone ph cell cellphone cellular mobile pager beeper paged call called callback calling contact
    hotline voicemail text texted ext"""
)
COUNTED = any_of(
    "mg mcg ml % day days week weeks month months hour hours hrs minutes min year years times am pm degrees beats"
)
SHORT_NUMBER = regex.compile(r"(?i)pager|beeper|paged|ext")
END_OF_ADDRESS = r"(?<![.,;:)\]])"


class Contact(RuleRecogniser):
    """Telephone numbers have seven digits or more; pagers and extensions three."""

    def accepts(self, item: Rule, match: regex.Match[str]) -> bool:
        """Whether a number with a cue has enough digits to be reached under."""
        if item.name not in ("phone-cue", "fax"):
            return True
        n_digits = sum(character.isdigit() for character in match.group("v"))
        return n_digits >= (3 if SHORT_NUMBER.match(match.group()) else 7)


CONTACT = Contact(
    "contact",
    (
        rule("email", "EMAIL", r"[\w.+%'-]{1,64}+@[\w-]{1,63}(?:\.[\w-]{1,63}){0,6}(?<![.-])", 0.99),
        rule(
            "email-spelled", "EMAIL",
            r"\b[\w.+-]{1,64}+\s?(?:\[at\]|\(at\)|\sat\s)\s?[\w-]{1,63}+(?:\s?\[dot\]\s?|\s?\(dot\)\s?|\sdot\s|\.)"
            rf"{TOP_LEVEL}\b", 0.8,
        ),
        rule("url", "URL", rf"\b(?:https?|ftps?|sftp|file)://[^\s<>\"']{{1,2000}}{END_OF_ADDRESS}", 0.99),
        rule("www", "URL", rf"\bwww\.[^\s<>\"']{{2,2000}}{END_OF_ADDRESS}", 0.99),
        rule(
            "domain", "URL",
            rf"(?<![\w@.-])(?:[a-z0-9][a-z0-9-]{{0,62}}+\.){{1,5}}{TOP_LEVEL}\b(?![\w@-])(?:/[^\s<>\"']{{0,500}}{END_OF_ADDRESS})?",
            0.8,
        ),
        rule(
            "ipv4", "IP",
            r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:/\d{1,2}|:\d{2,5})?(?!\.?\d)",
        ),
        rule(
            "ipv6", "IP",
            r"(?<![\w:])(?:(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|(?:[0-9a-f]{1,4}:){1,6}:(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,5})?)(?![\w:])",
        ),
        rule("fax", "FAX", rf"\b(?:fax|facsimile|telefax)\b{LINK}(?P<v>{ANY_NUMBER})", 0.97),
        rule("fax-after", "FAX", rf"(?P<v>{TEN_DIGITS})\s?\(?fax\b", 0.97),
        rule("phone-cue", "PHONE", rf"\b{REACHED_BY}\b{LINK}(?P<v>{ANY_NUMBER})(?![.,]?\d)(?!\s?{COUNTED}\b)"),
        rule("ten-digits", "PHONE", rf"(?<![\w.-]|\d/){TEN_DIGITS}", 0.85),
        rule("seven-digits", "PHONE", rf"(?<![\w.+/-])(?!0)\d{{3}}-\d{{4}}(?![\d-]){EXTENSION}", 0.6),
        rule("international", "PHONE", r"(?<![\w+])\+\d{1,3}[\s.-]?\(?\d{1,4}\)?(?:[\s.-]?\d{2,4}){2,4}(?!\d)", 0.85),
        rule("extension", "PHONE", r"\b(?:ext\.?|extension|x)\s?(?P<v>\d{4,6})\b", 0.7),
    ),
)  # fmt: skip
