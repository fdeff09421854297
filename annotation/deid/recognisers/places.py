"""Places smaller than a state, addresses, and organisations that give a place away."""

import regex
from presidio_analyzer import LocalRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from annotation.deid.clock import seconds_left
from annotation.deid.dictionaries import STATES, cities, first_names, ordinary_words, surnames, wide_places
from annotation.deid.recognisers.rules import Rule, RuleRecogniser, finding, rule

WORD = r"\p{Lu}[\p{L}\p{M}'&.-]{0,30}+"
PHRASE = rf"{WORD}(?:\s(?:of\sthe|of|the|and|for|&|de|la|del|at)\s{WORD}|\s{WORD}){{0,5}}"
SHORT_PHRASE = rf"{WORD}(?:[ ]{WORD}){{0,2}}"
STATE = rf"(?:{'|'.join([*STATES, *STATES.values()])})"
STREET = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Circle|Cir|Way|Place|Pl|Terrace|Ter|Trail|Trl|Parkway|Pkwy"
    r"|Highway|Hwy|Square|Sq|Loop|Alley|Row|Walk|Plaza|Pike|Close|Crescent|Turnpike|Crossing)"
)
SURE_STREET = r"(?:Street|Avenue|Ave|Road|Rd|Boulevard|Blvd|Parkway|Pkwy|Highway|Hwy)"
UNIT = r"(?:,?\s(?:Apt|Apartment|Suite|Ste|Unit|Room|Rm|Floor|Fl|Bldg|Building|Lot|\#)\.?\s?#?\s?[\w-]{1,8})?"
FACILITY = (
    r"(?:Hospitals?|Clinics?|Medical\s(?:Center|Centre|Ctr|Group|Associates|Branch|College|School|Campus)|Med(?:ical)?\sCtr|MedCenter|Health(?:care)?(?:\s(?:Center|Centre|System|Services|Network|Partners|Clinic|Department))?"
    r"|Infirmary|Hospice|Nursing\s(?:Home|Facility|Center)|Rehab(?:ilitation)?(?:\s(?:Center|Hospital|Institute))?|Pharmacy|Laborator(?:y|ies)|Labs?"
    r"|Universit(?:y|ies)|College|(?:(?:High|Middle|Elementary|Primary|Grammar)\s)?School|Elementary|Academy|Church|Synagogue|Mosque|Cathedral|Institute|Foundation|Assisted\sLiving|Manor|Senior\sLiving"
    r"|(?:Cancer|Surgery|Surgical|Heart|Care|Dialysis|Imaging|Trauma|Wellness|Community|Recovery|Treatment|Birth)\s(?:Center|Centre)|Urgent\sCare|Physicians|Pediatrics|Cardiology|Oncology|Orthopedics|Family\s(?:Practice|Medicine)|Prison|Jail|Shelter|Library|Airport|Inc|LLC|Corp(?:oration)?|Company|Industries)"
)
GENERIC = frozenset(
    ["the", "a", "an", "our", "this", "that", "his", "her", "their", "my", "your", "of", "at", "in", "and", "for", "on", "to", "from", "with", "by", "dr", "local", "area", "regional", "general", "main", "new", "old", "any", "each", "another", "other", "outside", "nearby", "emergency", "outpatient", "inpatient", "ambulatory", "primary", "care", "family", "women's", "men's", "children's", "pediatric", "adult", "geriatric", "mental", "behavioral", "public", "home", "occupational", "community", "rural", "urban", "free", "pain", "wound", "eye", "ear", "sleep", "memory", "headache", "diabetes", "foot", "hand", "hip", "spine", "stroke", "heart", "cancer", "cardiology", "neurology", "oncology", "dermatology", "orthopedic", "orthopedics", "urology", "nephrology", "rheumatology", "endocrinology", "gastroenterology", "psychiatry", "gynecology", "ob", "ob/gyn", "gyn", "surgery", "surgical", "medical", "medicine", "internal", "physical", "therapy", "rehab", "rehabilitation", "nursing", "walk-in", "urgent", "teaching", "tertiary", "academic", "university", "veterans", "private", "state", "county", "city", "national", "high", "middle", "elementary", "school", "day", "pharmacy", "lab", "labs", "hospital", "clinic", "health", "department", "center", "assisted", "living", "skilled", "prior", "previous", "current", "referring", "transferring", "acute", "long-term", "global", "world", "interval", "social", "past", "follow-up", "followup", "anticoagulation", "coumadin", "warfarin", "travel", "immunization", "vaccine", "dental", "fertility", "std", "sti", "hiv", "tb"]
)  # fmt: skip
SYSTEMS = (
    r"(?:Mayo(?:\sClinic)?|Johns?\sHopkins|Kaiser(?:\sPermanente)?|Cedars[-\s]Sinai|(?:Mount|Mt\.?)\sSinai|Mass(?:achusetts)?\sGeneral|MGH|BIDMC|Beth\sIsrael(?:\sDeaconess)?"
    r"|Brigham(?:\s(?:and|&)\sWomen'?s)?|(?:Memorial\s)?Sloan[-\s]Kettering|MD\sAnderson|UCLA|UCSF|UCSD|UPMC|NYU(?:\sLangone)?|New\s?York[-\s]Presbyterian|Columbia[-\s]Presbyterian"
    r"|Baylor(?:\sScott\s(?:&|and)\sWhite)?|Scripps|Geisinger|Intermountain|Sutter|Banner|Ascension|Dignity|Providence|Stanford|Northwestern|Cleveland\sClinic|Dana[-\s]Farber"
    r"|Vanderbilt|Emory|Duke|Yale[-\s]New\sHaven|Barnes[-\s]Jewish|Montefiore|Bellevue|Parkland|Cook\sCounty|Walter\sReed|Penn\sMedicine|OHSU|UAB|UNC|UTMB|UTSW|Methodist|Presbyterian|Mercy|St\.?\sJude)"
    rf"(?:\s{FACILITY}(?:\s{FACILITY})?)?"
)

ADDRESSES = RuleRecogniser(
    "addresses",
    (
        rule(
            "street", "LOCATION",
            rf"(?<![\w./-])\d{{1,6}}(?:-\d{{1,4}})?[A-Z]?[ ]{{1,2}}(?:[NSEW]{{1,2}}\.?[ ])?(?:{WORD}[ ]|\d{{1,3}}(?:st|nd|rd|th)[ ]){{1,4}}{STREET}\b\.?(?:[ ][NSEW]{{1,2}}\b\.?)?{UNIT}"
            rf"(?:,?\s{{1,3}}{SHORT_PHRASE},?\s{STATE}\b\.?(?:,?\s{{1,2}}\d{{5}}(?:-\d{{4}})?)?)?",
            0.95, case=True,
        ),
        rule("street-any-case", "LOCATION", rf"(?<![\w./-])\d{{2,6}}[ ](?:[nsew]\.?[ ])?[a-z]{{3,15}}(?:[ ][a-z]{{3,15}})?[ ](?:street|avenue|ave|road|rd|boulevard|blvd|lane|court|parkway)\b{UNIT}", 0.7),
        rule("street-name", "LOCATION", rf"\b(?:{WORD}[ ]){{1,2}}{SURE_STREET}\b|\b\d{{1,3}}(?:st|nd|rd|th)[ ]{SURE_STREET}\b", 0.75, case=True),
        rule("po-box", "LOCATION", r"\bp\.?\s?o\.?\s?box\s#?\s?\d{1,8}\b", 0.95),
        rule("unit", "LOCATION", r"\b(?:apt|apartment)\.?\s?#?\s?(?:\d{1,5}[A-Z]?|[A-Z]\d{0,4})\b", 0.8),
        rule("zip-cue", "LOCATION", r"\b(?:zip(?:[\s-]?code)?|postal\scode|postcode)[\s:=]{0,3}(?:is\s|of\s)?(?P<v>[A-Z\d]{3,5}[\s-]?[A-Z\d]{0,4}(?<=\d.{0,6}))\b", 0.95),
        rule("zip-plus-four", "LOCATION", r"(?<![\w-])(?<!mrn[:\s]\s?)(?<!#)\d{5}-\d{4}(?![\w-])", 0.7),
        rule("state-zip", "LOCATION", rf"\b{STATE},?\s{{1,2}}\d{{5}}(?:-\d{{4}})?\b", 0.95, case=True),
        rule("uk-postcode", "LOCATION", r"\b[A-Z]{1,2}\d[A-Z\d]?[ ]\d[ABD-HJLNP-UW-Z]{2}\b", 0.7, case=True),
        rule("coordinates", "LOCATION", r"(?<![\d.])-?\d{1,2}\.\d{4,8}\s?°?\s?[NS]?,\s?-?\d{1,3}\.\d{4,8}\s?°?\s?[EW]?", 0.9),
        rule("county", "LOCATION", rf"\b{SHORT_PHRASE}[ ](?:County|Parish|Borough|Township|Precinct|Village|Heights|Neighborhood)\b", 0.8, case=True),
        rule("system", "LOCATION", rf"\b{SYSTEMS}\b(?:\s(?:in|of|at)\s{SHORT_PHRASE})?", 0.8, case=True),
    ),
)  # fmt: skip

MOVES = (
    r"(?:live[sd]?|living|reside[sd]?|residing|born|raised|grew\sup|moved?|moving|relocated?|relocating|travel(?:l?ed|s|l?ing)?"
    r"|trips?|vacation(?:ed|ing)?|visit(?:ed|ing|s)?|flew|drove|returned|transferred|native|resident|home|evaluated|seen|treated"
    r"|admitted|hospitalized|stationed|based|located|address|went|flight|relatives|family)"
)
BEFORE = regex.compile(
    r"\b(?:in|to|from|near|at|of|outside|around|visiting|via)\s(?:the\s|downtown\s|suburban\s)?$", regex.IGNORECASE
)
AFTER_STATE = regex.compile(rf",?\s{STATE}\b")


class Facilities(RuleRecogniser):
    """Names that end in "Hospital", "Clinic", "School" ... where at least one word before it is not a common noun."""

    def accepts(self, item: Rule, match: regex.Match[str]) -> bool:
        words = regex.split(r"[\s/-]", match.group("name").lower())
        return any(word.strip(".,&") not in GENERIC for word in words if word)


class CuedPlaces(RuleRecogniser):
    """Capitalised words that a cue makes a place, unless they name a state or country or are ordinary words."""

    def accepts(self, item: Rule, match: regex.Match[str]) -> bool:
        words = match.group("v").lower().rstrip(".").split()
        return " ".join(words) not in wide_places() and words[0] not in ordinary_words()


FACILITIES = Facilities(
    "facilities",
    (rule("facility", "LOCATION", rf"\b(?P<name>{PHRASE}?)[ ]{FACILITY}\b(?:[ ]{FACILITY}\b)?(?:[ ](?:of|at|in)[ ](?:the[ ])?{SHORT_PHRASE})?", 0.85, case=True),),
)  # fmt: skip

CUED_PLACES = CuedPlaces(
    "cued-places",
    (
        rule("city-state", "LOCATION", rf"\b(?P<v>{SHORT_PHRASE}),[ ]{STATE}\b(?:,?[ ]{{1,2}}\d{{5}}(?:-\d{{4}})?)?", 0.8, case=True),
        rule("moves", "LOCATION", rf"\b{MOVES}\s(?:back\s)?(?:in|to|from|near|at|of|outside|around)\s(?:the\s)?(?P<v>{SHORT_PHRASE})", 0.65, case=True),
        rule("employer", "LOCATION", rf"\b(?:works?|worked|working|employed|employment|job|employee|teaches|studies|student|enrolled|volunteers?|retired)\s(?:at|by|for|with|from)\s(?:the\s)?(?P<v>{PHRASE})", 0.65, case=True),
        rule("header", "LOCATION", rf"\b(?:[Hh]ometown|[Bb]irthplace|[Pp]lace\sof\sbirth|[Cc]ity|[Ff]acility|[Ll]ocation|[Ee]mployer|[Hh]ospital|[Ww]ard|[Ss]ite|[Cc]linic)\s?:[ ]{{0,3}}(?P<v>{PHRASE})", 0.75, case=True),
    ),
)  # fmt: skip


class Gazetteer(LocalRecognizer):
    """Cities of the gazetteer: capitalised, and after "in", "to", "from" ... or before a state when the name is also a word or a person's."""

    def __init__(self) -> None:
        self.known = cities()
        self.words_at_most = max(len(city.split()) for city in self.known)
        self.token = regex.compile(rf"{WORD}")
        super().__init__(supported_entities=["LOCATION"], name="gazetteer")

    def load(self) -> None:
        """Nothing to load: the gazetteer is read when the recogniser is made."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Every city, the longest name first where one begins inside another."""
        found = []
        tokens = [(match.start(), match.end()) for match in self.token.finditer(text, timeout=seconds_left())]
        position = 0
        while position < len(tokens):
            length = self.length_at(text, tokens, position)
            if length:
                start, end = tokens[position][0], tokens[position + length - 1][1]
                end -= len(text[start:end]) - len(text[start:end].rstrip(".'-&"))
                found.append(finding(self, "city", "LOCATION", start, end, 0.7))
            position += max(length, 1)
        return found

    def length_at(self, text: str, tokens: list[tuple[int, int]], position: int) -> int:
        """Number of tokens from `position` that make a city here; 0 when none do."""
        start = tokens[position][0]
        for length in range(min(self.words_at_most, len(tokens) - position), 0, -1):
            end = tokens[position + length - 1][1]
            city = text[start:end].rstrip(".'-&").lower()
            if "\n" not in city and city in self.known and self.stands_as_place(text, start, end, city):
                return length
        return 0

    def stands_as_place(self, text: str, start: int, end: int, city: str) -> bool:
        doubtful = city in ordinary_words() or city in first_names() or city in surnames() or city in wide_places()
        if not doubtful:
            return True
        if city in wide_places():
            return AFTER_STATE.match(text, end) is not None
        return BEFORE.search(text[max(0, start - 24) : start]) is not None or AFTER_STATE.match(text, end) is not None
