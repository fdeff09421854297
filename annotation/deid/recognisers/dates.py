"""Dates finer than a year, in every written form, and ages of 90 and more."""

from annotation.deid.recognisers.rules import RuleRecogniser, rule

MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
LONG_MONTH = r"(?:January|February|April|June|July|August|September|October|November|December)"
DAY = r"(?:3[01]|[12]\d|0?[1-9])"
MONTH_NUMBER = r"(?:1[0-2]|0?[1-9])"
YEAR = r"(?:(?:1[89]|20)\d\d|'?\d\d)"
FULL_YEAR = r"(?:1[89]|20)\d\d"
ORDINAL_WORD = (
    r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth"
    r"|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|twenty[- ](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)"
    r"|thirtieth|thirty[- ]first)"
)
WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+(?:the\s+)?)"
CLOCK = r"(?:[T\s,]\s?(?:at\s)?\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?(?:\s?[ap]\.?m\b\.?)?(?:Z|[+-]\d\d:?\d\d)?)?"

DATES = RuleRecogniser(
    "dates",
    (
        rule("iso", "DATE", rf"(?<![\d.-])(?:19|20)\d\d([-/.]){MONTH_NUMBER}\1{DAY}(?!\d){CLOCK}", 0.95),
        rule("numeric", "DATE", rf"(?<![\d./-]){DAY}([-/])(?:{DAY})\1(?:{FULL_YEAR}|'?\d\d)(?![\d/])(?!-\d){CLOCK}", 0.95),
        rule("dotted", "DATE", rf"(?<![\d.]){DAY}\.{DAY}\.(?:{FULL_YEAR}|\d\d)(?!\.?\d)", 0.85),
        rule("month-year-numeric", "DATE", rf"(?<![\d./-]){MONTH_NUMBER}[/-]{FULL_YEAR}(?![\d/-])", 0.85),
        rule(
            "month-day", "DATE",
            rf"{WEEKDAY}?\b{MONTH}\b\.?\s{{0,3}}(?:the\s)?(?:{DAY}(?:\s?(?:st|nd|rd|th))?|{ORDINAL_WORD})"
            rf"(?:\s?(?:-|to|through|and|&)\s?{DAY}(?:st|nd|rd|th)?(?![\d/.]))?"
            rf"(?:(?:,\s{{0,3}}|\s(?:of\s)?)(?:{FULL_YEAR}|'\d\d))?(?![\d/%]|\.\d){CLOCK}",
        ),
        rule(
            "day-month", "DATE",
            rf"{WEEKDAY}?(?<![\d./])\b(?:{DAY}(?:\s?(?:st|nd|rd|th))?|{ORDINAL_WORD})(?:\s(?:day\s)?of\s|[-\s./]{{0,2}}){MONTH}\b\.?"
            rf"(?:(?:,\s{{0,3}}|\sof\s|[-\s./]){YEAR})?(?!\d){CLOCK}",
        ),
        rule("day-month-year-joined", "DATE", rf"(?<![\dA-Z]){DAY}{MONTH}(?:{FULL_YEAR}|\d\d)(?![\dA-Z])"),
        rule("month-year", "DATE", rf"\b{MONTH}\b\.?(?:,?\s(?:of\s)?|[-/]){FULL_YEAR}\b"),
        rule("month-short-year", "DATE", rf"\b{MONTH}[-/\s]'?\d\d(?![\d/%.:]|\s?(?:mg|mcg|ml|units?|%|percent))", 0.6),
        rule("long-month", "DATE", rf"\b{LONG_MONTH}\b", 0.7, case=True),
        rule(
            "month-after-preposition", "DATE",
            rf"\b(?:in|last|since|until|till|by|early|late|mid|mid-|this|next|during|of|from|before|after|every)[\s-](?P<v>{MONTH})\b"
            r"(?!\s(?:be|have|not|also|need|require|need|help|or))", 0.6,
        ),
        rule(
            "cue-month-day", "DATE",
            rf"\b(?:on|since|dated?|until|till|from|through|thru|by|before|after|visit|admitted|admit|seen|due|scheduled|surgery|dos|doa"
            rf"|f/u|follow-?up|labs?|discharged?|last|next|starting|started|ending|effective)[:\s]\s?(?P<v>{MONTH_NUMBER}/{DAY})"
            r"(?![\d/%.]|\s?(?:pain|scale|strength|points?|stars|murmur|systolic|items|of\s))", 0.7,
        ),
        rule("line-month-day", "DATE", rf"^[\s*•-]*(?P<v>{MONTH_NUMBER}/{DAY})\s?[:–-]\s", 0.7),
        rule("range", "DATE", rf"(?<![\d/.]){MONTH_NUMBER}/{DAY}\s?(?:-|to|through)\s?{MONTH_NUMBER}/{DAY}(?:/{YEAR})?(?![\d/%])", 0.75),
        rule("on-the-day", "DATE", r"\b(?:on|by|until|since|before|after)\sthe\s(?P<v>\d{1,2}(?:st|nd|rd|th))(?=\s*(?:[.,;)]|$|at\b|and\b|of\b))", 0.6),
        rule(
            "birth", "DATE",
            r"\b(?:d\.?o\.?b\.?|date\sof\sbirth|birth\s?date|birthday|born)\b[\s:#=.-]{0,4}(?:on\s|is\s|in\s)?"
            r"(?P<v>\d{1,4}[-/.\s]\d{1,2}[-/.\s]\d{2,4}|\d{8}|\d{6}|(?:18\d\d|19[0-3]\d)(?!\d))", 0.97,
        ),
        rule("compact", "DATE", r"\b(?:date|on|dated|seen|admitted|dos)[:\s]\s?(?P<v>(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?!\d)"),
        rule("season", "DATE", rf"\b(?:spring|summer|fall|autumn|winter)\s(?:of\s)?{FULL_YEAR}\b", 0.7),
        rule("quarter", "DATE", rf"\bQ[1-4]\s?(?:of\s|/|-)?\s?{FULL_YEAR}\b", 0.7),
        rule(
            "holiday", "DATE",
            r"\b(?:Christmas(?:\sEve|\sDay)?|Thanksgiving(?:\sDay)?|New\sYear'?s?'?(?:\sEve|\sDay)|(?:Labor|Memorial|Independence|Veterans|Presidents'?)\sDay"
            r"|(?:Fourth|4th)\sof\sJuly|Halloween|Valentine'?s\sDay|Easter(?:\sSunday)?|(?:Mother|Father)'?s\sDay|Juneteenth)\b", 0.6, case=True,
        ),
    ),
)  # fmt: skip

TEN = r"(?:one|two|three|four|five|six|seven|eight|nine|ten)"
OLD = rf"(?:9\d|1[0-2]\d|ninety(?:[- ]{TEN})?|(?:a|one)[- ]hundred(?:[- ](?:and[- ])?{TEN})?)"
SEX = r"(?:male|female|man|woman|lady|gentleman|m|f)"

AGES = RuleRecogniser(
    "ages",
    (
        rule("years-old", "AGE_OVER_89", rf"(?<![\d./])\b{OLD}(?:\s?|-)(?:years?|yrs?\.?|y)?(?:[\s-]{{0,2}})(?:old\b|of\sage\b|y\.?/?o\b\.?|/?o\b\.?)", 0.95),
        rule("year-old-sex", "AGE_OVER_89", rf"(?<![\d./])\b{OLD}[\s-]?(?:years?|yrs?|y)[\s-]{{0,2}}{SEX}\b"),
        rule("sex", "AGE_OVER_89", r"(?<![\d./:])(?<!temp\s)(?<!temp:\s)(?<!t\s)(?<!t:\s)(?<!tmax\s)(?<!fever\sof\s)(?<!temperature\s)(?<!temperature\sof\s)\b(?P<v>(?:9\d|10\d)\s?/?\s?[MF]|(?:9\d|10\d)[\s-](?:male|female|man|woman|lady|gentleman))\b(?![/.°])", 0.7),
        rule(
            "cue", "AGE_OVER_89",
            rf"\b(?:aged?|turned|turning|turns|age\s?/\s?sex|lived\sto(?:\sbe)?|died\sat|deceased\sat)(?:\sof|\sat|\sis|:|\s:)?\s{{0,2}}(?P<v>{OLD})\b(?![./]\d|\s?(?:%|mg|ml|mm))", 0.85,
        ),
        rule("birthday", "AGE_OVER_89", r"\b(?P<v>(?:9\d|1[0-2]\d)(?:st|nd|rd|th)|ninetieth|ninety-\w{4,7}|(?:one\s)?hundredth)\s(?:birthday|year\sof\slife)"),
        rule("decade", "AGE_OVER_89", r"\b(?:her|his|their|my|your)\s(?:early\s|mid[- ]|late\s)?(?P<v>nineties|90'?s|hundreds|100s)\b", 0.8),
        rule("word", "AGE_OVER_89", r"\b(?:super)?(?:non[ao]genarian|centenarian)s?\b", 0.9),
    ),
)  # fmt: skip
