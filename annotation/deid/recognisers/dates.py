"""Dates finer than a year, in every written form."""

from annotation.deid.recognisers.rules import RuleRecogniser, any_of, rule

MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
LONG_MONTH = any_of("January February April June July August September October November December")
DAY = r"(?:3[01]|[12]\d|0?[1-9])"
NTH = rf"{DAY}(?:\s?(?:st|nd|rd|th))?"
MONTH_NUMBER = r"(?:1[0-2]|0?[1-9])"
FULL_YEAR = r"(?:18[5-9]\d|19\d\d|20[0-3]\d)"
YEAR = rf"(?:{FULL_YEAR}|'?\d\d)"
UNITS_WORD = "first second third fourth fifth sixth seventh eighth ninth"
ORDINAL_WORD = (
    rf"(?:{any_of(UNITS_WORD)}|{any_of('tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth')}"
    rf"|{any_of('seventeenth eighteenth nineteenth twentieth thirtieth')}"
    rf"|twenty[- ]{any_of(UNITS_WORD)}|thirty[- ]first)"
)
WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+(?:the\s+)?)"
CLOCK = r"(?:[T\s,]\s?(?:at\s)?\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?(?:\s?[ap]\.?m\b\.?)?(?:Z|[+-]\d\d:?\d\d)?)?"
DOSE = r"(?:mg|mcg|ml|units?|%|percent)"
BEFORE_DAY = any_of(
    """on since date dated until till from through thru by before after visit admitted admit seen due scheduled
    surgery dos doa f/u follow-up followup lab labs discharge discharged last next starting started ending effective"""
)
NOT_A_DAY = any_of("pain scale strength point points stars murmur systolic items of motor power bilaterally")
HOLIDAY = any_of(
    """Christmas Christmas_Eve Christmas_Day Thanksgiving Thanksgiving_Day New_Year's_Eve New_Year's_Day
    New_Years_Eve New_Years_Day New_Year's Labor_Day Memorial_Day Independence_Day Veterans_Day Presidents_Day
    Fourth_of_July 4th_of_July Halloween Valentine's_Day Easter Easter_Sunday Mother's_Day Father's_Day Juneteenth"""
)

DATES = RuleRecogniser(
    "dates",
    (
        rule("iso", "DATE", rf"(?<![\d.-])(?:19|20)\d\d([-/.]){MONTH_NUMBER}\1{DAY}(?!\d){CLOCK}", 0.95),
        rule("numeric", "DATE", rf"(?<![\d./-]){DAY}([-/]){DAY}\1(?:{FULL_YEAR}|'?\d\d)(?![\d/])(?!-\d){CLOCK}", 0.95),
        rule("dotted", "DATE", rf"(?<![\d.]){DAY}\.{DAY}\.(?:{FULL_YEAR}|\d\d)(?!\.?\d)", 0.85),
        rule("month-year-numeric", "DATE", rf"(?<![\w./-]){MONTH_NUMBER}[/-]{FULL_YEAR}(?![\d/-])", 0.85),
        rule(
            "month-day", "DATE",
            rf"{WEEKDAY}?\b{MONTH}\b\.?\s{{0,3}}(?:the\s)?(?:{NTH}|{ORDINAL_WORD})"
            rf"(?:\s?(?:-|to|through|and|&)\s?{NTH}(?![\d/.]))?"
            rf"(?:(?:,\s{{0,3}}|\s(?:of\s)?)(?:{FULL_YEAR}|'\d\d))?(?![\d/%]|\.\d|\s?{DOSE}\b){CLOCK}",
        ),
        rule(
            "day-month", "DATE",
            rf"{WEEKDAY}?(?<![\d./])\b(?:{NTH}|{ORDINAL_WORD})(?:\s(?:day\s)?of\s|[-\s./]{{0,2}}){MONTH}\b\.?"
            rf"(?:(?:,\s{{0,3}}|\sof\s|[-\s./]){YEAR})?(?!\d){CLOCK}",
        ),
        rule("day-month-year-joined", "DATE", rf"(?<![\dA-Z]){DAY}{MONTH}(?:{FULL_YEAR}|\d\d)(?![\dA-Z])"),
        rule("month-year", "DATE", rf"\b{MONTH}\b\.?(?:,?\s(?:of\s)?|[-/]){FULL_YEAR}\b"),
        rule("month-short-year", "DATE", rf"\b{MONTH}[-/\s]'?\d\d(?![\d/%.:]|\s?{DOSE})", 0.6),
        rule("long-month", "DATE", rf"\b{LONG_MONTH}\b", 0.7, case=True),
        rule(
            "month-after-preposition", "DATE",
            r"\b(?:in|last|since|until|till|by|early|late|mid|this|next|during|of|from|before|after|every)[\s-]"
            rf"(?P<v>{MONTH})\b(?!\s(?:be|have|not|also|need|require|help|or))", 0.6,
        ),
        rule(
            "cue-month-day", "DATE",
            rf"\b{BEFORE_DAY}[:\s]\s?(?P<v>{MONTH_NUMBER}/{DAY})(?![\d/%.]|\s?{NOT_A_DAY})", 0.7,
        ),
        rule("line-month-day", "DATE", rf"^[\s*•-]*(?P<v>{MONTH_NUMBER}/{DAY})\s?[:–-]\s", 0.7),
        rule(
            "range", "DATE",
            rf"(?<![\d/.]){MONTH_NUMBER}/{DAY}\s?(?:-|to|through)\s?{MONTH_NUMBER}/{DAY}(?:/{YEAR})?(?![\d/%])", 0.75,
        ),
        rule(
            "on-the-day", "DATE",
            r"\b(?:on|by|until|since|before|after)\sthe\s(?P<v>\d{1,2}(?:st|nd|rd|th))(?=\s*(?:[.,;)]|$|at\b|and\b|of\b))",
            0.6,
        ),
        rule(
            "birth", "DATE",
            r"\b(?:d\.?o\.?b\.?|date\sof\sbirth|birth\s?date|birthday|born)\b[\s:#=.-]{0,4}(?:on\s|is\s|in\s)?"
            r"(?P<v>\d{1,4}[-/.\s]\d{1,2}[-/.\s]\d{2,4}|\d{8}|\d{6}|(?:18\d\d|19[0-3]\d)(?!\d))", 0.97,
        ),
        rule(
            "compact", "DATE",
            r"\b(?:date|on|dated|seen|admitted|dos)[:\s]\s?(?P<v>(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?!\d)",
        ),
        rule("season", "DATE", rf"\b(?:spring|summer|fall|autumn|winter)\s(?:of\s)?{FULL_YEAR}\b", 0.7),
        rule("quarter", "DATE", rf"\bQ[1-4]\s?(?:of\s|/|-)?\s?{FULL_YEAR}\b", 0.7),
        rule("holiday", "DATE", rf"\b{HOLIDAY}\b", 0.6, case=True),
    ),
)  # fmt: skip
