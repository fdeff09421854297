"""Names of people that something beside them gives away: a title, a degree, a cue with a colon, a relative, an age."""

import regex

from annotation.deid.dictionaries import first_names, ordinary_words, surnames, wide_places
from annotation.deid.normalise import fold
from annotation.deid.recognisers.eponyms import is_eponym
from annotation.deid.recognisers.rules import Rule, RuleRecogniser, any_of, rule, set_of

PART = r"(?:(?:Mc|Mac|O'|D'|De|Di|Le|La|Van|St\.[ ])?\p{Lu}[\p{L}\p{M}]{1,20}+(?:['-]\p{L}[\p{L}\p{M}]{0,20}+){0,2})"
INITIAL = r"(?:\p{Lu}\.?(?![\p{L}'\d]))"
PARTICLE = rf"(?:{any_of('de la del della da dos di du van von der den ter bin ibn al el le y abu st.')}[ ])"
GAP = r"[ \t]{1,2}"
MORE = rf"(?:{GAP}(?:{INITIAL}|{PARTICLE}{{0,2}}{PART}))"
SUFFIX = rf"(?:,?{GAP}(?:Jr|Sr|II|III|IV)\b\.?)?"
FULL = rf"(?:{PART}|{INITIAL}){MORE}{{0,3}}{SUFFIX}"

TITLE = any_of(
    """Dr Drs DR dr drs Mr Mrs MR MRS mr mrs Ms MS ms Mx Miss Prof Professor prof Rev Reverend Fr Capt Captain Sgt
    Lt Col Judge Rabbi Imam Pastor Sir Señor Señora Sra Mme Herr Frau"""
)
WORD_TITLE = any_of("[Dd]octors? [Nn]urse [Ss]ister [Ff]ather [Oo]fficer [Aa]unt [Uu]ncle [Dd]eacon [Cc]oach")
CREDENTIAL = (
    r"(?:M\.?D|D\.?O|R\.?N|N\.?P|Ph\.?D|Pharm\.?D|Psy\.?D|D\.?D\.?S|D\.?M\.?D|D\.?P\.?M|M\.?B\.?B\.?S|P\.?A-C"
    rf"|{any_of('FACS FACC FACP FRCP LPN LVN CNM CRNA ARNP APRN FNP FNP-C FNP-BC DNP BSN MSN')}"
    rf"|{any_of('LCSW LMSW MSW LMFT RPh DPT MPH')})"
)
DOUBTFUL_CREDENTIAL = any_of("PA OD RD LDN OTR OTR/L OT PT SLP CCC-SLP RT EMT EMT-P CNA MSc")
NO_CREDENTIAL = rf"(?!(?:{CREDENTIAL}|{DOUBTFUL_CREDENTIAL})\b)"
LAST_FIRST = (
    rf"{PARTICLE}{{0,2}}{PART}(?:[ -]{PART})?{SUFFIX},[ ]{{0,2}}{NO_CREDENTIAL}{PART}"
    rf"(?:{GAP}{NO_CREDENTIAL}(?:{INITIAL}|{PART}))?"
)
CUE = any_of(
    """patient patient's_name patient_name pt pt_name name attending attending_physician attending_md provider
    physician referring_physician referring_provider referring referred_by primary_care primary_care_physician
    primary_care_provider pcp surgeon assistant anesthesiologist resident fellow consultant author dictated_by
    signed signed_by electronically_signed_by transcribed_by reviewed_by verified_by cosigned cosigned_by
    approved_by reported_by ordered_by witness contact emergency_contact next_of_kin nok guardian proxy poa
    caregiver guarantor subscriber mother father spouse wife husband parent informant interpreter nurse rn therapist
    social_worker case_manager cc to from re dear by"""
)
SIGNED = any_of(
    """signed_by dictated_by reviewed_by verified_by cosigned_by approved_by transcribed_by seen_by evaluated_by
    performed_by referred_by ordered_by prescribed_by interpreted_by attended_by accompanied_by /s/ sincerely,
    regards, thank_you, dear hi hello"""
)
KIN = any_of(
    """wife husband spouse partner fiancé fiancée fiance fiancee boyfriend girlfriend son daughter mother father mom
    dad parent parents brother sister sibling twin grandson granddaughter grandmother grandfather grandma grandpa
    aunt uncle niece nephew cousin friend neighbor neighbour roommate caregiver caretaker guardian son-in-law
    daughter-in-law mother-in-law father-in-law sister-in-law brother-in-law stepson stepdaughter dog cat boss
    coworker"""
)
NAMED = any_of(
    """named called name_is name_was goes_by nickname nicknamed known_as maiden_name formerly née nee alias aka
    a.k.a."""
)
NOT_NAMES = set_of(
    """patient name date dob mrn age sex gender male female history physical exam examination assessment plan
    medications allergies chief complaint impression note report summary discharge admission consult
    consultation progress nurse practitioner physician doctor md rn np phd hospital clinic center department
    unknown none unremarkable see per no not yes the this that there he she they it his her their is was has
    with for from and or but if when as on in at by to of monday tuesday wednesday thursday friday saturday
    sunday january february march april june july august september october november december labs lab vitals
    vital signs review systems social family surgical past present illness today yesterday follow up followup
    continue start stop cardiology neurology oncology surgery medicine radiology pathology psychiatry pediatrics
    orthopedics emergency icu unit room floor team mr mrs ms miss dr prof drs who what where why how can could
    would should street avenue road boulevard drive lane county please thank thanks you your our we
    agreements agreement education instructions"""
)

SURE = frozenset({"credential", "named"})
CENSUS_ONLY = frozenset({"patient", "initialled", "initial-surname", "apposition", "doubtful-credential", "last-first"})


class CuedNames(RuleRecogniser):
    """Capitalised words that something beside them makes a name."""

    def accepts(self, item: Rule, match: regex.Match[str]) -> bool:
        """A title takes any word; other cues turn away headings and ordinary words, some want a name of the census."""
        words = [word.strip(".,").removesuffix("'s") for word in regex.split(r"[\s,]+", match.group("v"))]
        words = [word for word in words if len(word) > 1]
        if item.name == "title":
            return not words or words[0].lower() not in NOT_NAMES
        if item.name == "title-lower":
            return bool(words) and (is_census_name(words[0]) or surnames().get(words[0], 10**6) < 5000)
        if not words or words[0].lower() in NOT_NAMES or is_eponym(match.string, match.end("v")):
            return False
        if item.name in CENSUS_ONLY:
            return any(is_census_name(word) for word in words)
        return item.name in SURE or looks_like_name(words[0])


def is_census_name(word: str) -> bool:
    """Whether a word is a name of the census, and no ordinary word, state or country."""
    low = fold(word)
    return (low in first_names() or low in surnames()) and low not in ordinary_words() and low not in wide_places()


def looks_like_name(word: str) -> bool:
    """Whether a word may be a name: of the census, a word but a very common surname, or unknown and no abbreviation."""
    low = fold(word)
    if low in ordinary_words():
        return surnames().get(low, 10**6) < 1500
    return is_census_name(word) or (low not in wide_places() and not (word.isupper() and len(word) <= 5))


AGE = r"\d{1,3}[\s-]?(?:(?:year|yr|month|week|day)s?[\s-]{0,2}old|y\.?/?o\b)"
ADJECTIVES = r"(?:(?:very|most|pleasant|delightful|lovely|healthy|(?:right|left)-handed|[a-z]{4,14}),?\s){0,3}+"
SHORT = rf"{PART}(?:{GAP}(?:{INITIAL}|{PART})){{0,2}}"

CUED_NAMES = CuedNames(
    "cued-names",
    (
        rule(
            "title", "NAME",
            rf"\b{TITLE}(?:\.|\b)[ ]{{0,2}}(?:and[ ](?:Mrs|Dr)\.?[ ])?(?P<v>{FULL})", 0.95, case=True,
        ),
        rule(
            "title-lower", "NAME",
            r"\b(?:mr|mrs|ms|mister|dr|doctor)\s?\.?\s(?P<v>[a-z'-]{2,20})\b", 0.7, case=True,
        ),
        rule("word-title", "NAME", rf"\b{WORD_TITLE}[ ](?P<v>{FULL})", 0.75, case=True),
        rule(
            "credential", "NAME",
            rf"\b(?P<v>(?:{PART}|{INITIAL}){MORE}{{1,3}}),?[ ]{{1,2}}{CREDENTIAL}\b", 0.85, case=True,
        ),
        rule("surname-credential", "NAME", rf"\b(?P<v>{PART}),[ ]{{1,2}}{CREDENTIAL}\b", 0.8, case=True),
        rule("last-first-credential", "NAME", rf"\b(?P<v>{LAST_FIRST}),?[ ]{{1,2}}{CREDENTIAL}\b", 0.85, case=True),
        rule("doubtful-credential", "NAME", rf"\b(?P<v>{SHORT}),[ ]{{1,2}}{DOUBTFUL_CREDENTIAL}\b", 0.8, case=True),
        rule(
            "cue", "NAME",
            rf"\b(?i:{CUE})[ ]?[:\-][ \t]{{0,6}}(?:{TITLE}\.?[ ])?(?P<v>{LAST_FIRST}|{FULL})", 0.85, case=True,
        ),
        rule("signature", "NAME", rf"(?<!\w)(?i:{SIGNED}):?\s{{1,3}}(?:{TITLE}\.?[ ])?(?P<v>{FULL})", 0.8, case=True),
        rule("kin", "NAME", rf"\b(?i:{KIN}),?[ ](?P<v>{SHORT})(?!\p{{L}})", 0.75, case=True),
        rule("kin-bracket", "NAME", rf"\b(?i:{KIN})\s?\((?P<v>{FULL})\)", 0.8, case=True),
        rule("named", "NAME", rf"\b(?i:{NAMED})[ :]{{1,2}}\"?(?P<v>{FULL})", 0.85, case=True),
        rule(
            "patient", "NAME",
            rf"\b(?i:patient|pt|client|resident|veteran),?[ ](?P<v>{SHORT})(?!\p{{L}})", 0.7, case=True,
        ),
        rule("year-old", "NAME", rf"\b(?P<v>{SHORT})\s(?:is|was)\s(?:an?\s)?{ADJECTIVES}{AGE}", 0.8, case=True),
        rule("apposition", "NAME", rf"\b(?P<v>{SHORT}),?\s(?:an?\s)?{AGE}", 0.75, case=True),
        rule("last-first", "NAME", rf"(?:^|(?<=[:\t(]))[ \t]{{0,4}}(?P<v>{LAST_FIRST})", 0.75, case=True),
        rule("initialled", "NAME", rf"\b(?P<v>{PART}{GAP}\p{{Lu}}\b\.?)(?![\p{{L}}\d.+/-])", 0.7, case=True),
        rule("initial-surname", "NAME", rf"(?<![\p{{L}}./])(?P<v>(?:\p{{Lu}}\.[ ]?){{1,2}}{PART})", 0.7, case=True),
    ),
)  # fmt: skip
