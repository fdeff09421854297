"""Numbers and codes that stand for one person, record, policy, vehicle or device: found by their cue, a few by their shape."""

import regex

from annotation.deid.recognisers.rules import Rule, RuleRecogniser, rule

LINK = r"(?:\s?\b(?:no|num|number|nr|id|ids|identifier|identification|code|is|was|of|ending\sin|listed\sas|as)\b\.?|[\s:#=.()-]){0,8}+"
ID_WORD = r"(?:\s?(?:#|:|\b(?:no\b\.?|num\b|number|nr\b|id\b|identifier|identification|code\b)))"
VALUE = r"(?P<v>(?=[\w*/.-]{0,24}[\d*])[A-Z\d*]{1,24}+(?:[-/.][A-Z\d*]{1,24}+){0,6}(?:\s\d{2,}(?![\w/.%])){0,4})"


def cue(name: str, label: str, words: str, score: float = 0.9) -> Rule:
    """A value that follows these words directly or after "no.", "#", "is" and the like."""
    return rule(name, label, rf"\b(?:{words})(?!\w){LINK}{VALUE}", score)


def named_cue(name: str, label: str, words: str, score: float = 0.9) -> Rule:
    """The same for words of everyday prose: only where "number", "ID", "#" or a colon says that a code follows."""
    return rule(name, label, rf"\b(?:{words})(?!\w){ID_WORD}{LINK}{VALUE}", score)


class NumberRecogniser(RuleRecogniser):
    """Turns away values that no register hands out: years, quantities and values of fewer than four characters."""

    def accepts(self, item: Rule, match: regex.Match[str]) -> bool:
        if "v" not in item.pattern.groupindex:
            return True
        value = match.group("v")
        significant = sum(character.isalnum() or character == "*" for character in value)
        return significant >= 4 and not PLAIN_YEAR.fullmatch(value) and not UNIT.match(match.string, match.end("v"))


PLAIN_YEAR = regex.compile(r"(?:19|20)\d\d")
UNIT = regex.compile(
    r"\s?(?:mg|mcg|g|kg|ml|l|units?|iu|mmol|meq|%|mmhg|bpm|kcal|cal|cm|mm|hours?|days?|weeks?|months?|years?)\b",
    regex.IGNORECASE,
)

NUMBERS = NumberRecogniser(
    "numbers",
    (
        rule("ssn", "SSN", r"(?<![\w-])\d{3}[-\s]\d{2}[-\s]\d{4}(?![\w-])", 0.85),
        rule("ssn-masked", "SSN", r"(?<![\w*-])(?:[X*#]{3}|\d{3})[-\s]?(?:[X*#]{2}|\d\d)[-\s]?(?:\d{4}|[X*#]{4})(?<=[X*#].{4,10})(?![\w*-])", 0.9),
        cue("ssn-cue", "SSN", r"ssn|ss\s?#|s\.s\.n\.?|social\ssecurity|social\sinsurance|last\sfour(?:\sof\s(?:ssn|social))?", 0.97),
        cue("mrn", "MRN", r"mrn|m\.r\.n\.?|mr\s?#|mr\sno|med(?:ical)?\.?\srec(?:ord)?s?|emr|ehr|hospital\s(?:no|number|id)|unit\s(?:no|number)|chart\s(?:no|number|id)|patient\s(?:id|no|number|identifier)|pt\.?\s(?:id|no|number)", 0.96),
        named_cue("record", "MRN", r"record|chart|patient|pt", 0.7),
        cue("plan", "HEALTH_PLAN_ID", r"health\splan|health\sinsurance|beneficiary|mbi|hicn|hpb?n|medicare|medicaid|subscriber|policy\s?(?:holder)?|member(?:ship)?\s(?:id|no|number|identifier)|plan\s(?:id|no|number|member)|insurance\s(?:id|no|number|policy|member)?|group\s(?:id|no|number)|claim\s(?:id|no|number)|payer\s(?:id|no|number)", 0.95),
        named_cue("plan-named", "HEALTH_PLAN_ID", r"plan|member|group|claim|payer|coverage|hmo|ppo|blue\scross|aetna|cigna|humana|kaiser|anthem", 0.85),
        rule("medicare", "HEALTH_PLAN_ID", r"\b[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y\d]\d-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y\d]\d-?[AC-HJKMNP-RT-Y]{2}\d\d\b", 0.85, case=True),
        cue("account", "ACCOUNT", r"acc(?:oun)?t|a/c|iban|guarantor\s(?:id|no|number)|billing\s(?:id|no|number)|invoice|credit\scard|debit\scard|card\s(?:no|number)|visa|mastercard|routing|bank", 0.93),
        rule("card", "ACCOUNT", r"(?<![\w-])(?:\d{4}[-\s]){3}\d{4}(?![\w-])|(?<![\w-])3\d{3}[-\s]\d{6}[-\s]\d{5}(?![\w-])", 0.9),
        rule("iban", "ACCOUNT", r"\b[A-Z]{2}\d{2}(?:\s?[A-Z\d]{4}){3,7}(?:\s?[A-Z\d]{1,3})?\b", 0.7, case=True),
        cue("license", "LICENSE", r"npi|dea|clia|lic(?:ense|ence)?|driver'?s?\slic(?:ense|ence)|dl|certificate|certification|registration\s(?:no|number)|board\scert(?:ified)?\s(?:no|number)|upin", 0.93),
        rule("dea", "LICENSE", r"\b[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}\b", 0.85, case=True),
        cue("vehicle", "VEHICLE_ID", r"vin|vehicle(?:\sid\w*)?|license\splates?|licence\splates?|number\splates?|plates?|tag\s(?:no|number)", 0.96),
        rule("plate-words", "VEHICLE_ID", r"\b(?:plates?|license\splates?)\b[\s:#]{0,3}(?:is\s|number\s)?(?P<v>[A-Z\d]{1,4}[-\s][A-Z\d]{2,5})\b", 0.9, case=False),
        rule("vin", "VEHICLE_ID", r"\b(?=[A-HJ-NPR-Z\d]{0,16}\d)(?=[\d]{0,16}[A-HJ-NPR-Z])[A-HJ-NPR-Z\d]{11}\d{6}\b", 0.9, case=True),
        cue("device", "DEVICE_ID", r"serial|s/n|sn|udi|imei|lot|device\s(?:id|no|number|identifier)|implant\s(?:id|no|number|serial)|model\s(?:no|number)|(?:pacemaker|icd|defibrillator|pump|stent|valve|prosthesis|cpap|glucometer|sensor|lead|generator)\s(?:id|no|number|serial)", 0.93),
        named_cue("device-named", "DEVICE_ID", r"device|implant|model|pacemaker|ref|pump|catalog", 0.8),
        rule("udi", "DEVICE_ID", r"(?:\(\d{2,3}\)[A-Z\d./-]{2,30}){2,8}", 0.95),
        rule("mac", "DEVICE_ID", r"(?<![\w:-])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![\w:-])", 0.9),
        cue("biometric", "BIOMETRIC_ID", r"(?:finger|thumb|palm|voice|retinal?|iris)[\s-]?(?:print|scan)s?(?:\s(?:template|hash|id|record|file|ref(?:erence)?))?|biometric(?:\s\w{2,12})?|face\s?id|facial\s(?:template|scan|recognition)(?:\s(?:template|id))?|(?:iris|retinal?|voice)\s(?:template|code|id)", 0.95),
        cue("other", "OTHER_ID", r"passport|accession|csn|fin|har|badge|mychart|nhs|nct(?=\sid)|employee\s(?:id|no|number)|staff\s(?:id|no|number)|student\s(?:id|no|number)|(?:study|subject|participant|research|trial|sample|specimen|case|order|requisition|encounter|visit|admission|referral|prescription|rx|ticket|token|barcode|reference|confirmation|tracking|authorization|auth|donor|registry|enrollment)\s(?:id|no|number|identifier|code)|unique\sid(?:entifier)?|uid|uuid|user\s?(?:name|id)|login|password|passcode|pin(?:\scode)?|access\scode", 0.88),
        named_cue("other-named", "OTHER_ID", r"study|subject|participant|sample|specimen|case|order|encounter|visit|ref|reference|rx|id|identifier|code|referral|authorization|employee|donor|registry|accession|protocol\sid", 0.7),
        rule("user-name", "OTHER_ID", r"\b(?:user\s?name|login|handle|screen\sname|twitter|instagram|facebook|skype|snapchat|tiktok|whatsapp)\b[\s:=]{0,3}(?:is\s|id\s)?(?P<v>@?[\w.-]*(?:\d|[._]|(?<=@)\w)[\w.-]*)", 0.8),
        rule("uuid", "OTHER_ID", r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", 0.95),
    ),
)  # fmt: skip

SHAPES = NumberRecogniser(
    "shapes",
    (
        rule("letters-digits", "OTHER_ID", r"(?<![\w/-])#?[A-Z]{2,5}-\d{5,12}(?:-[A-Z\d]{1,8})?(?![\w-])", 0.6, case=True),
        rule("number-sign", "OTHER_ID", r"(?<!\w)#\s?(?P<v>[A-Z]{1,4}-?\d{4,12}|\d{5,14})\b", 0.6, case=True),
        rule("long-number", "OTHER_ID", r"(?<![\w./,+-])(?<!pmid[:\s]\s?)(?<!sctid[:\s]\s?)(?<!snomed[:\s]\s?)\d{8,20}(?![\w./,%-]|\s?(?:copies|cells|iu|units|/))", 0.55),
        rule("digits", "OTHER_ID", r"(?<![\w./,+-])\d{5,7}(?![\w/,%]|\.\d|-\d|\s?(?:copies|cells|iu|units|mg|ml|/))", 0.2),
        rule("mixed", "OTHER_ID", r"(?<![\w./-])(?=[A-Z-]{0,6}\d)(?=\d{0,8}-?[A-Z])[A-Z\d]{2,8}-?[A-Z\d]{3,10}(?![\w./-])", 0.15, case=True),
    ),
    context=["id", "identifier", "number", "record", "patient", "mrn", "account", "policy", "member", "case", "chart", "file"],
)  # fmt: skip
