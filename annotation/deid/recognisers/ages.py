"""Ages of 90 and more, in digits and in words, and whatever else tells such an age."""

import regex

from annotation.deid.recognisers.rules import Rule, RuleRecogniser, any_of, rule

TEN = any_of("one two three four five six seven eight nine ten")
OLD = rf"(?:9\d|1[0-2]\d|ninety(?:[- ]{TEN})?|(?:a|one)[- ]hundred(?:[- ](?:and[- ])?{TEN})?)"
OLD_NUMBER = r"(?:9\d|10\d)"
SEX_WORD = any_of("male female man woman lady gentleman")
SEX = rf"(?:{SEX_WORD}|[mf])"
TURNED = any_of("age aged turned turning turns age/sex lived_to lived_to_be died_at deceased_at")
WARM = regex.compile(r"temp|fever|febrile|°|\d\s?c\b|\bt(?:max)?\b[:\s]", regex.IGNORECASE)


class Ages(RuleRecogniser):
    """Turns away temperatures: "98 F" after "temperature" or beside degrees Celsius is no woman of 98."""

    def accepts(self, item: Rule, match: regex.Match[str]) -> bool:
        """Whether a number with M or F stands away from anything about temperature."""
        if item.name != "sex":
            return True
        around = match.string[max(0, match.start() - 40) : match.end() + 12]
        return not (match.group().endswith(("F", "f")) and WARM.search(around))


AGES = Ages(
    "ages",
    (
        rule(
            "years-old", "AGE_OVER_89",
            rf"(?<![\d./])\b{OLD}[\s-]?(?:years?|yrs?\.?|y)?[\s-]{{0,2}}(?:old\b|of\sage\b|y\.?/?o\b\.?|/?o\b\.?)",
            0.95,
        ),
        rule("year-old-sex", "AGE_OVER_89", rf"(?<![\d./])\b{OLD}[\s-]?(?:years?|yrs?|y)[\s-]{{0,2}}{SEX}\b"),
        rule("sex", "AGE_OVER_89", rf"(?<![\d./:])\b{OLD_NUMBER}\s?/?\s?[MF]\b(?![/.°])", 0.7, case=True),
        rule("sex-word", "AGE_OVER_89", rf"(?<![\d./:])\b{OLD_NUMBER}[\s-]{SEX_WORD}\b", 0.7),
        rule(
            "cue", "AGE_OVER_89",
            rf"\b{TURNED}(?:\sof|\sat|\sis|\s?:)?\s{{0,2}}(?P<v>{OLD})\b(?![./]\d|\s?(?:%|mg|ml|mm))", 0.85,
        ),
        rule(
            "birthday", "AGE_OVER_89",
            r"\b(?P<v>(?:9\d|1[0-2]\d)(?:st|nd|rd|th)|ninetieth|ninety-\w{4,7}|(?:one\s)?hundredth)\s(?:birthday|year\sof\slife)",
        ),
        rule(
            "decade", "AGE_OVER_89",
            r"\b(?:her|his|their|my|your)\s(?:early\s|mid[- ]|late\s)?(?P<v>nineties|90'?s|hundreds|100s)\b", 0.8,
        ),
        rule("word", "AGE_OVER_89", r"\b(?:super)?(?:non[ao]genarian|centenarian)s?\b"),
    ),
)  # fmt: skip
