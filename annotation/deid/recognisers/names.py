"""Names of people: by title, by credentials, by cue, by kin, and by the census lists."""

import regex
from presidio_analyzer import LocalRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from annotation.deid.clock import seconds_left
from annotation.deid.dictionaries import first_names, ordinary_words, surnames
from annotation.deid.recognisers.rules import Rule, RuleRecogniser, finding, rule

PART = r"(?:(?:Mc|Mac|O'|D'|De|Di|Le|La|Van|St\.[ ])?\p{Lu}[\p{L}\p{M}]{1,20}+(?:['-]\p{L}[\p{L}\p{M}]{0,20}+){0,2})"
INITIAL = r"(?:\p{Lu}\.?(?![\p{L}'\d]))"
PARTICLE = r"(?:(?:de|la|del|della|da|dos|di|du|van|von|der|den|ter|bin|ibn|al|el|le|y|abu|st\.)[ ])"
GAP = r"[ \t]{1,2}"
FULL = rf"(?:{PART}|{INITIAL})(?:{GAP}(?:{INITIAL}|{PARTICLE}{{0,2}}{PART})){{0,3}}(?:,?{GAP}(?:Jr|Sr|II|III|IV)\b\.?)?"
LAST_FIRST = rf"{PARTICLE}{{0,2}}{PART}(?:[ -]{PART})?(?:,?{GAP}(?:Jr|Sr|II|III)\b\.?)?,[ ]{{0,2}}{PART}(?:{GAP}(?:{INITIAL}|{PART}))?"
TITLE = (
    r"(?:[Dd]rs?|DR|[Mm]rs?|MRS?|[Mm]s|MS|[Mm]iss|[Mm]x|[Pp]rof(?:essor)?|[Dd]octors?|[Nn]urse|[Rr]ev(?:erend)?|[Ff]r|[Ss]ister|[Cc]apt(?:ain)?|[Ss]gt|[Ss]ergeant"
    r"|[Ll]t|[Cc]ol|[Oo]fficer|[Jj]udge|[Rr]abbi|[Ii]mam|[Pp]astor|[Ff]ather|[Ss]ir|[Ll]ady|[Ss]eñora?|[Ss]ra?|[Mm]me|[Hh]err|[Ff]rau|[Aa]unt|[Uu]ncle)"
)
CREDENTIAL = (
    r"(?:M\.?D\.?|D\.?O\.?|R\.?N\.?|N\.?P\.?|P\.?A\.?(?:-C)?|Ph\.?D\.?|Pharm\.?D\.?|Psy\.?D\.?|D\.?D\.?S\.?|D\.?M\.?D\.?|D\.?P\.?M\.?|O\.?D\.?|M\.?B\.?B\.?S\.?|FACS|FACC|FACP|LPN|LVN|CNA|CNM|CRNA|ARNP|APRN|FNP(?:-C|-BC)?|DNP|BSN|MSN"
    r"|LCSW|LMSW|MSW|LMFT|RD|LDN|OTR(?:/L)?|OT|PT|DPT|SLP|CCC-SLP|RPh|RT|EMT(?:-P)?|MPH|MSc|FRCP)"
)
CUE = (
    r"(?:[Pp]atient(?:'s)?(?:\s[Nn]ame)?|PATIENT(?:\sNAME)?|[Pp]t(?:\s[Nn]ame)?|PT|[Nn]ame|NAME|[Aa]ttending(?:\s(?:[Pp]hysician|MD|[Pp]rovider))?|ATTENDING|[Pp]rovider|PROVIDER|[Pp]hysician|PHYSICIAN|[Rr]eferring(?:\s\w+)?|[Pp]rimary\s[Cc]are(?:\s\w+)?|PCP"
    r"|[Ss]urgeon|SURGEON|[Aa]ssistant|[Aa]nesthesiologist|[Rr]esident|[Ff]ellow|[Cc]onsultant|[Aa]uthor|[Dd]ictated\s[Bb]y|[Ss]igned(?:\s[Bb]y)?|[Ee]lectronically\s[Ss]igned\s[Bb]y|[Tt]ranscribed\s[Bb]y|[Rr]eviewed\s[Bb]y|[Vv]erified\s[Bb]y|[Cc]osigned(?:\s[Bb]y)?|[Aa]pproved\s[Bb]y|[Rr]eported\s[Bb]y|[Oo]rdered\s[Bb]y"
    r"|[Ww]itness|[Cc]ontact|[Ee]mergency\s[Cc]ontact|[Nn]ext\s[Oo]f\s[Kk]in|NOK|[Gg]uardian|[Pp]roxy|POA|[Cc]aregiver|[Gg]uarantor|[Ss]ubscriber|[Mm]other|[Ff]ather|[Ss]pouse|[Ww]ife|[Hh]usband|[Pp]arent|[Ii]nformant|[Ii]nterpreter|[Nn]urse|RN|[Tt]herapist|[Ss]ocial\s[Ww]orker|[Cc]ase\s[Mm]anager|[Cc]c|CC|[Tt]o|[Ff]rom|[Rr]e|RE|[Dd]ear|[Bb]y)"
)
KIN = (
    r"(?:wife|husband|spouse|partner|fianc[eé]e?|boyfriend|girlfriend|son|daughter|mother|father|mom|dad|parents?|brother|sister|sibling|twin|grandson|granddaughter|grandmother|grandfather|grandma|grandpa"
    r"|aunt|uncle|niece|nephew|cousin|friend|neighbou?r|roommate|caregiver|caretaker|guardian|son-in-law|daughter-in-law|mother-in-law|father-in-law|sister-in-law|brother-in-law|stepson|stepdaughter|baby|child|children|kids|dog|cat|boss|coworker|aide|nurse|therapist|doctor|surgeon|cardiologist|physician|PCP|oncologist|social worker|case manager)"
)
NOT_NAMES = frozenset(
    ["patient", "name", "date", "dob", "mrn", "age", "sex", "gender", "male", "female", "history", "physical", "exam", "examination", "assessment", "plan", "medications", "allergies", "chief", "complaint", "impression", "note", "report", "summary", "discharge", "admission", "consult", "consultation", "progress", "nurse", "practitioner", "physician", "doctor", "md", "rn", "np", "pa", "do", "phd", "hospital", "clinic", "center", "department", "unknown", "none", "unremarkable", "see", "per", "no", "not", "yes", "the", "this", "that", "there", "he", "she", "they", "it", "his", "her", "their", "is", "was", "has", "with", "for", "from", "and", "or", "but", "if", "when", "as", "on", "in", "at", "by", "to", "of", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december", "labs", "lab", "vitals", "vital", "signs", "review", "systems", "social", "family", "surgical", "past", "present", "illness", "today", "yesterday", "follow", "up", "followup", "continue", "start", "stop", "cardiology", "neurology", "oncology", "surgery", "medicine", "radiology", "pathology", "psychiatry", "pediatrics", "orthopedics", "emergency", "icu", "er", "ed", "or", "unit", "ward", "room", "floor", "team", "mr", "mrs", "ms", "miss", "dr", "prof", "drs", "who", "what", "where", "why", "how", "can", "could", "would", "should", "will", "please", "thank", "thanks", "you", "your", "our", "we", "i"]
)  # fmt: skip
EPONYM_NOUN = regex.compile(
    r"(?:'s|s'|')?[\s-](?:and\s\p{Lu}\p{L}+\s)?(?:disease|syndrome|signs?|tests?|palsy|reflex|maneuver|manoeuvre|catheter|tube|score|scale|criteria|classification|fracture|lymphoma"
    r"|tumou?r|sarcoma|esophagus|oesophagus|contracture|procedure|operation|phenomenon|law|formula|drain|bag|line|equation|position|stain|nodes?|cells?|bodies|body|thyroiditis|"
    r"lesions?|triad|index|grade|gradient|method|hernia|duct|gland|ligament|tendon|angle|node|rule|point|questionnaire|inventory|response|murmur|pulse|respiration|chorea|ataxia|"
    r"dystrophy|anemia|encephalopathy|hepatitis|carcinoma|neuroma|spots?|rings?|lines?|nevus|ulcer|valve|pouch|repair|splint|brace|collar|protocol|trial|study|virus|barr|coma|agar)\b",
    regex.IGNORECASE,
)


def is_eponym(text: str, start: int, end: int) -> bool:
    """Whether the name at `start`-`end` belongs to a disease, sign, test or tool that is called after somebody."""
    return EPONYM_NOUN.match(text, end) is not None


class CuedNames(RuleRecogniser):
    """Capitalised words that something beside them makes a name."""

    def accepts(self, item: Rule, match: regex.Match[str]) -> bool:
        words = [word.strip(".,'").lower() for word in regex.split(r"[\s,]+", match.group("v")) if word]
        if words[0] in NOT_NAMES or is_eponym(match.string, *match.span("v")):
            return False
        return item.name in SURE or any(looks_like_name(word) for word in words)


def looks_like_name(word: str) -> bool:
    """Whether a lower-case word may be part of a name: not an ordinary word, or both in the census and rarely a word."""
    return word not in NOT_NAMES and (word not in ordinary_words() or surnames().get(word, 10**6) < 1500)


SURE = {"title", "title-lower", "credential", "named"}

CUED_NAMES = CuedNames(
    "cued-names",
    (
        rule("title", "NAME", rf"\b{TITLE}(?:\.|\b)[ ]{{0,2}}(?:and[ ](?:[Mm]rs|[Dd]r)\.?[ ])?(?P<v>{FULL}(?:'s(?=\s))?)", 0.95, case=True),
        rule("credential", "NAME", rf"\b(?P<v>(?:{PART}|{INITIAL})(?:{GAP}(?:{INITIAL}|{PARTICLE}?{PART})){{0,3}}),?[ ]{{1,2}}{CREDENTIAL}(?![\w-])", 0.85, case=True),
        rule("last-first-credential", "NAME", rf"\b(?P<v>{LAST_FIRST}),?[ ]{{1,2}}{CREDENTIAL}(?![\w-])", 0.85, case=True),
        rule("cue", "NAME", rf"\b{CUE}[ ]?[:\-][ \t]{{0,6}}(?:{TITLE}\.?[ ])?(?P<v>{LAST_FIRST}|{FULL})", 0.85, case=True),
        rule("signature", "NAME", rf"(?:\b(?:[Ss]igned|[Dd]ictated|[Rr]eviewed|[Vv]erified|[Cc]osigned|[Aa]pproved|[Tt]ranscribed|[Ss]een|[Ee]valuated|[Pp]erformed|[Rr]eferred|[Oo]rdered|[Pp]rescribed|[Ii]nterpreted|[Aa]ttended|[Aa]ccompanied)[ ]by:?|/s/|[Ss]incerely,|[Rr]egards,|[Tt]hank[ ]you,|[Dd]ear|[Hh]i|[Hh]ello)\s{{1,3}}(?:{TITLE}\.?[ ])?(?P<v>{FULL})", 0.8, case=True),
        rule("kin", "NAME", rf"\b(?i:{KIN})(?:,?\s(?:is\s)?(?:named|called)|,)?\s(?P<v>{PART}(?:{GAP}(?:{INITIAL}|{PART})){{0,2}})(?!\p{{L}})", 0.75, case=True),
        rule("kin-bracket", "NAME", rf"\b(?i:{KIN})\s?\((?P<v>{FULL})\)", 0.8, case=True),
        rule("named", "NAME", rf"\b(?:named|called|name[ ]is|name[ ]was|goes[ ]by|nickname|nicknamed|known[ ]as|[Mm]aiden[ ]name|formerly|née|nee|alias|a\.?k\.?a\.?)[ :]{{1,2}}\"?(?P<v>{FULL})", 0.85, case=True),
        rule("patient", "NAME", rf"\b(?:[Pp]atient|[Pp]t|[Cc]lient|[Rr]esident|[Vv]eteran|[Mm]other|[Ff]ather)[ ,](?P<v>{PART}(?:{GAP}(?:{INITIAL}|{PART})){{0,2}})(?!\p{{L}})", 0.7, case=True),
        rule("year-old", "NAME", rf"\b(?P<v>{PART}(?:{GAP}(?:{INITIAL}|{PART})){{0,2}})(?:,|\sis|\swas)?\s(?:(?:a|an)\s)?\d{{1,3}}[\s-]?(?:year|yr|y\.?o|y/o|month|week|day)", 0.8, case=True),
        rule("last-first", "NAME", rf"(?:^|(?<=[:\t(]))[ \t]{{0,4}}(?P<v>{LAST_FIRST})", 0.75, case=True),
        rule("initialled", "NAME", rf"\b(?P<v>{PART}{GAP}\p{{Lu}}\.)(?![\p{{L}}\d.])", 0.7, case=True),
        rule("initial-surname", "NAME", rf"(?<![\p{{L}}.])(?P<v>(?:\p{{Lu}}\.[ ]?){{1,2}}{PART})", 0.7, case=True),
    ),
)  # fmt: skip

WORD = regex.compile(r"\p{L}[\p{L}\p{M}]*+(?:['-]\p{L}[\p{L}\p{M}]*+)*+")
BETWEEN = regex.compile(
    r"[ \t]{1,2}(?:\p{Lu}\.?[ \t]{1,2}|\"\p{L}+\"[ \t])?(?:(?:de|la|del|van|von|der|bin|al|el|da|di)[ ]){0,2}"
)
COMMON_FIRST = 700
COMMON_LAST = 20_000


class CensusNames(LocalRecognizer):
    """First names of the census, alone or with the surname that follows them; lower case only where both are common."""

    def __init__(self) -> None:
        self.first = first_names()
        self.last = surnames()
        self.ordinary = ordinary_words()
        super().__init__(supported_entities=["NAME"], name="census-names")

    def load(self) -> None:
        """Nothing to load: the lists are read when the recogniser is made."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Every first name with its surname, and first names alone that are no other word."""
        found = []
        words = list(WORD.finditer(text, timeout=seconds_left()))
        for position, word in enumerate(words):
            if word.group().lower().removesuffix("'s") not in self.first:
                continue
            following = words[position + 1] if position + 1 < len(words) else None
            if following is not None and not BETWEEN.fullmatch(text, word.end(), following.start()):
                following = (
                    words[position + 2]
                    if position + 2 < len(words)
                    and len(following.group()) <= 2
                    and BETWEEN.fullmatch(text, word.end(), words[position + 2].start())
                    else None
                )
            found += self.at(text, word, following)
        return found

    def at(self, text: str, word: regex.Match[str], following: regex.Match[str] | None) -> list[RecognizerResult]:
        if (
            following is not None
            and self.is_pair(word.group(), following.group())
            and not is_eponym(text, word.start(), following.end())
        ):
            return [finding(self, "first-last", "NAME", word.start(), following.end(), 0.85)]
        if self.stands_alone(word.group()) and not is_eponym(text, word.start(), word.end()):
            return [finding(self, "first", "NAME", word.start(), word.end(), 0.65)]
        return []

    def is_pair(self, first: str, last: str) -> bool:
        """Whether two words are first name and surname: both capitalised and not both ordinary words, or both common names."""
        low, last_low = first.lower(), last.lower().removesuffix("'s")
        rank = self.last.get(last_low, 10**6)
        if first[0].isupper() and last[0].isupper():
            if low in self.ordinary:
                return rank < COMMON_LAST and last_low not in self.ordinary
            return last_low not in NOT_NAMES and (last_low not in self.ordinary or rank < 3000)
        both_rare_words = low not in self.ordinary and last_low not in self.ordinary
        return (
            first.islower()
            and last.islower()
            and both_rare_words
            and self.first[low] < COMMON_FIRST
            and rank < COMMON_LAST
        )

    def stands_alone(self, word: str) -> bool:
        """Whether a first name without a surname is one here."""
        low = word.lower().removesuffix("'s")
        if low in self.ordinary or len(low) < 3:
            return False
        if word.isupper():
            return len(low) >= 4 and self.first[low] < COMMON_FIRST
        return word[0].isupper() or self.first[low] < 200
