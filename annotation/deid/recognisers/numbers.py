"""Numbers and codes of one person, record, policy, vehicle or device: found by their cue, a few by their shape."""

import regex

from annotation.deid.recognisers.rules import Rule, RuleRecogniser, any_of, rule

LINK = (
    r"(?:\s?\b(?:no|num|number|nr|id|ids|identifier|identification|code|is|was|of|ending\sin|listed\sas|as)\b\.?"
    r"|[\s:#=.()-]){0,8}+"
)
ID_WORD = r"(?:\s?(?:#|:|\b(?:no\b\.?|num\b|number|nr\b|id\b|identifier|identification|code\b)))"
VALUE = r"(?P<v>(?=[\w*/.-]{0,24}[\d*])[A-Z\d*]{1,24}+(?:[-/.][A-Z\d*]{1,24}+){0,6}(?:\s\d{2,}(?![\w/.%])){0,4})"


def of_one(words: str) -> str:
    """Each of these words followed by "id", "no", "number", "identifier" or "code"."""
    return rf"{any_of(words)}[ ]{any_of('id no number identifier code')}"


def cue(name: str, label: str, words: str, score: float = 0.9) -> Rule:
    """A value that follows these words directly or after "no.", "#", "is" and the like."""
    return rule(name, label, rf"\b{words}(?!\w){LINK}{VALUE}", score)


def named_cue(name: str, label: str, words: str, score: float = 0.9) -> Rule:
    """The same for words of everyday prose: only where "number", "ID", "#" or a colon says that a code follows."""
    return rule(name, label, rf"\b{any_of(words)}(?!\w){ID_WORD}{LINK}{VALUE}", score)


SSN_CUE = any_of(
    r"ssn ss_?# s\.s\.n\.? social_security social_insurance last_four last_four_of_ssn last_four_of_social"
)
MRN_CUE = (
    r"(?:mrn|m\.r\.n\.?|mr\s?#|mr\sno|emr|ehr|med(?:ical)?\.?\srec(?:ord)?s?"
    rf"|{of_one('hospital unit chart patient pt pt. record')})"
)
PLAN_CUE = (
    rf"(?:{any_of('health_plan health_insurance insurance beneficiary subscriber medicare medicaid')}"
    rf"|{any_of('mbi hicn hpn hpbn hpb')}"
    rf"|policy(?:[ ]?holder)?|{of_one('member membership plan insurance group claim payer policy')}|plan[ ]member)"
)
ACCOUNT_CUE = (
    rf"(?:acc(?:oun)?t|a/c|{any_of('iban invoice credit_card debit_card visa mastercard routing bank')}"
    rf"|{of_one('guarantor billing card')})"
)
LICENSE_CUE = (
    r"(?:npi|dea|clia|upin|dl|certificate|certification|lic(?:ense|ence)?|driver'?s?\slic(?:ense|ence)"
    rf"|{of_one('registration')}|board[ ]cert(?:ified)?[ ](?:no|number))"
)
VEHICLE_CUE = r"(?:vin|vehicle(?:\sid\w*)?|(?:(?:license|licence|number)\s)?plates?|tag[ ](?:no|number))"
DEVICE_CUE = (
    rf"(?:serial|s/n|sn|udi|imei|lot|{of_one('device implant')}|(?:implant|model)[ ](?:no|number|serial)"
    rf"|{any_of('pacemaker icd defibrillator pump stent valve prosthesis cpap glucometer sensor lead generator')}"
    r"[ ](?:id|no|number|serial))"
)
BIOMETRIC_CUE = (
    r"(?:(?:finger|thumb|palm|voice|retinal?|iris)[\s-]?(?:print|scan)s?(?:\s(?:template|hash|id|record|file|reference))?"
    r"|biometric(?:\s\w{2,12})?|face\s?id|facial\s(?:template|scan|recognition)(?:\s(?:template|id))?"
    r"|(?:iris|retinal?|voice)\s(?:template|code|id))"
)
OTHER_CUE = (
    rf"(?:{any_of('passport accession csn fin har badge mychart nhs uid uuid username user_name user_id')}"
    rf"|{any_of('login password passcode pin pin_code access_code unique_id unique_identifier')}"
    rf"|{of_one('employee staff student study subject participant research trial sample specimen case order')}"
    rf"|{of_one('requisition encounter visit admission referral prescription rx ticket token barcode reference')}"
    rf"|{of_one('confirmation tracking authorization auth donor registry enrollment')})"
)
PLAIN_YEAR = regex.compile(r"(?:19|20)\d\d")
UNIT = regex.compile(
    r"\s?(?:mg|mcg|g|kg|ml|l|units?|iu|mmol|meq|%|mmhg|bpm|kcal|cal|cm|mm|hours?|days?|weeks?|months?|years?)\b",
    regex.IGNORECASE,
)


class Numbers(RuleRecogniser):
    """Turns away values that no register hands out: years, quantities and values of fewer than four characters."""

    def accepts(self, item: Rule, match: regex.Match[str]) -> bool:
        """Whether a value with a cue looks like an identifier."""
        if "v" not in item.pattern.groupindex:
            return True
        value = match.group("v")
        n_significant = sum(character.isalnum() or character == "*" for character in value)
        return n_significant >= 4 and not PLAIN_YEAR.fullmatch(value) and not UNIT.match(match.string, match.end("v"))


NUMBERS = Numbers(
    "numbers",
    (
        rule("ssn", "SSN", r"(?<![\w-])\d{3}[-\s]\d{2}[-\s]\d{4}(?![\w-])", 0.85),
        rule(
            "ssn-masked", "SSN",
            r"(?<![\w*-])(?:[X*#]{3}|\d{3})[-\s]?(?:[X*#]{2}|\d\d)[-\s]?(?:\d{4}|[X*#]{4})(?<=[X*#].{4,10})(?![\w*-])",
        ),
        cue("ssn-cue", "SSN", SSN_CUE, 0.97),
        cue("mrn", "MRN", MRN_CUE, 0.96),
        named_cue("record", "MRN", "record chart patient pt", 0.7),
        cue("plan", "HEALTH_PLAN_ID", PLAN_CUE, 0.95),
        named_cue(
            "plan-named", "HEALTH_PLAN_ID",
            r"plan ins\.? member group claim payer coverage hmo ppo blue_cross aetna cigna humana kaiser anthem", 0.85,
        ),
        rule(
            "medicare", "HEALTH_PLAN_ID",
            r"\b[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y\d]\d-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y\d]\d-?[AC-HJKMNP-RT-Y]{2}\d\d\b",
            0.85, case=True,
        ),
        cue("account", "ACCOUNT", ACCOUNT_CUE, 0.93),
        rule(
            "card", "ACCOUNT",
            r"(?<![\w-])(?:\d{4}[-\s]){3}\d{4}(?![\w-])|(?<![\w-])3\d{3}[-\s]\d{6}[-\s]\d{5}(?![\w-])",
        ),
        rule("iban", "ACCOUNT", r"\b[A-Z]{2}\d{2}(?:\s?[A-Z\d]{4}){3,7}(?:\s?[A-Z\d]{1,3})?\b", 0.7, case=True),
        cue("license", "LICENSE", LICENSE_CUE, 0.93),
        rule("dea", "LICENSE", r"\b[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}\b", 0.85, case=True),
        cue("vehicle", "VEHICLE_ID", VEHICLE_CUE, 0.96),
        rule(
            "plate", "VEHICLE_ID",
            r"\bplates?\b[\s:#]{0,3}(?:is\s|number\s)?(?P<v>(?=[A-Z]{0,4}[-\s]?[A-Z]{0,4}\d)[A-Z\d]{1,4}[-\s][A-Z\d]{2,5})\b",
        ),
        rule(
            "vin", "VEHICLE_ID",
            r"\b(?=[A-HJ-NPR-Z\d]{0,16}\d)(?=\d{0,16}[A-HJ-NPR-Z])[A-HJ-NPR-Z\d]{11}\d{6}\b", case=True,
        ),
        cue("device", "DEVICE_ID", DEVICE_CUE, 0.93),
        named_cue("device-named", "DEVICE_ID", "device implant model pacemaker ref pump catalog", 0.8),
        rule("udi", "DEVICE_ID", r"(?:\(\d{2,3}\)[A-Z\d./-]{2,30}){2,8}", 0.95),
        rule("mac", "DEVICE_ID", r"(?<![\w:-])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![\w:-])"),
        cue("biometric", "BIOMETRIC_ID", BIOMETRIC_CUE, 0.95),
        cue("other", "OTHER_ID", OTHER_CUE, 0.88),
        named_cue(
            "other-named", "OTHER_ID",
            """study subject participant sample specimen case order encounter visit ref reference rx id identifier code
            referral authorization employee donor registry accession protocol_id""", 0.7,
        ),
        rule(
            "user-name", "OTHER_ID",
            r"\b(?:user\s?name|login|handle|screen\sname|twitter|instagram|facebook|skype|snapchat|tiktok|whatsapp)\b"
            r"[\s:=]{0,3}(?:is\s|id\s)?(?P<v>@?[\w.-]{0,30}(?:\d|[._]|(?<=@)\w)[\w.-]{0,30})", 0.8,
        ),
        rule("uuid", "OTHER_ID", r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", 0.95),
    ),
)  # fmt: skip

SHAPES = Numbers(
    "shapes",
    (
        rule(
            "letters-digits",
            "OTHER_ID",
            r"(?<![\w/-])#?[A-Z]{2,5}-\d{5,12}(?:-[A-Z\d]{1,8})?(?![\w-])",
            0.6,
            case=True,
        ),
        rule("number-sign", "OTHER_ID", r"(?<!\w)#\s?(?P<v>[A-Z]{1,4}-?\d{4,12}|\d{5,14})\b", 0.6, case=True),
        rule(
            "long-number",
            "OTHER_ID",
            r"(?<![\w./,+-])(?<!pmid[:\s]\s?)(?<!sctid[:\s]\s?)(?<!snomed[:\s]\s?)\d{8,20}"
            r"(?![\w,%-]|\.\d|/|\s?(?:copies|cells|iu|units|/))",
            0.55,
        ),
    ),
)

# These count only where a word such as "record" stands within six tokens before them, which raises their score by 0.35.
WEAK_SHAPES = Numbers(
    "weak-shapes",
    (
        rule(
            "digits", "OTHER_ID",
            r"(?<![\w./,+-])\d{5,7}(?![\w/,%]|\.\d|-\d|\s?(?:copies|cells|iu|units|mg|ml|/))", 0.2,
        ),
        rule(
            "mixed", "OTHER_ID",
            r"(?<![\w./-])(?=[A-Z-]{0,6}\d)(?=\d{0,8}-?[A-Z])[A-Z\d]{2,8}-?[A-Z\d]{3,10}(?![\w./-])", 0.15, case=True,
        ),
    ),
    context="id identifier number record patient mrn account policy member case chart file".split(),  # noqa: SIM905
)  # fmt: skip
