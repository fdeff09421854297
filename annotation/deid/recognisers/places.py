"""Places smaller than a state, addresses, and organisations that give a place away."""

import regex
from presidio_analyzer import RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from annotation.deid.clock import matches
from annotation.deid.dictionaries import STATES, cities, first_names, ordinary_words, surnames, wide_places
from annotation.deid.recognisers.eponyms import is_eponym
from annotation.deid.recognisers.rules import Recogniser, Rule, RuleRecogniser, any_of, rule, set_of

WORD = r"(?:(?:St|Mt|Ft)\.[ ])?\p{Lu}[\p{L}\p{M}'’&-]{0,30}+"
NOT_FIRST = any_of(
    """The A An In On At To From By Of For With And Or But As Near Into Per Via Is Was He She They We I It His Her
    Their Our Seen Treated Admitted Evaluated Lives Lived Works Worked Goes Went Visited Transferred Referred
    Followed Discharged"""
)
PHRASE = rf"(?!{NOT_FIRST}\b){WORD}(?:[ ](?:of[ ]the|of|the|and|for|&|de|la|del)[ ]{WORD}|[ ]{WORD}){{0,5}}"
SHORT_PHRASE = rf"(?!{NOT_FIRST}\b){WORD}(?:[ ]{WORD}){{0,2}}"
STATE = any_of(" ".join(name.replace(" ", "_") for name in [*STATES, *STATES.values()]))
STREET = any_of(
    """Street St Avenue Ave Road Rd Boulevard Blvd Lane Ln Drive Dr Court Ct Circle Cir Way Place Pl Terrace Ter
    Trail Trl Parkway Pkwy Highway Hwy Square Sq Loop Alley Row Walk Plaza Pike Close Crescent Turnpike Crossing"""
)
SURE_STREET = any_of("Street Avenue Ave Road Rd Boulevard Blvd Parkway Pkwy Highway Hwy")
UNIT = r"(?:,?\s(?:Apt|Apartment|Suite|Ste|Unit|Room|Rm|Floor|Fl|Bldg|Building|Lot|\#)\.?\s?#?\s?[\w-]{1,8})?"
STREET_WORD = rf"(?:{WORD}[ ]|\d{{1,3}}(?:st|nd|rd|th)[ ])"
COMPASS = r"[NSEW]{1,2}\b\.?"
ZIP = r"\d{5}(?:-\d{4})?"
FACILITY = any_of(
    """Hospital Hospitals Clinic Clinics Medical_Center Medical_Centre Medical_Ctr Medical_Group Medical_Associates
    Medical_Branch Medical_College Medical_School Medical_Campus Med\\.?_Ctr Med\\.?_Center MedCenter HealthCenter
    Health_Center Health_Centre Health_System Health_Services Health_Network Health_Partners Health_Clinic Infirmary
    Hospice Nursing_Home Nursing_Facility Rehabilitation_Center Rehab_Center Pharmacy Laboratory Laboratories Labs
    University College High_School Middle_School Elementary_School School Elementary Academy Church Synagogue Mosque
    Cathedral Institute Foundation Assisted_Living Senior_Living Manor Cancer_Center Surgery_Center Surgical_Center
    Heart_Center Care_Center Dialysis_Center Imaging_Center Trauma_Center Wellness_Center Community_Center
    Treatment_Center Urgent_Care Family_Practice Family_Medicine Prison Jail Shelter Airport Inc LLC Corp
    Corporation Company Industries"""
)
VAGUE_FACILITY = any_of("Health Healthcare Rehab Rehabilitation Physicians Pediatrics Cardiology Oncology Orthopedics")
GENERIC = set_of(
    """the a an our this that his her their my your of at in and for on to from with by dr local area main new old
    any each another other outside nearby emergency outpatient inpatient ambulatory primary care family men's
    pediatric adult geriatric mental behavioral public home occupational rural urban free pain wound eye ear
    sleep memory headache diabetes foot hand hip spine stroke heart cancer cardiology neurology oncology
    dermatology orthopedic orthopedics urology nephrology rheumatology endocrinology gastroenterology psychiatry
    gynecology ob ob/gyn gyn surgery surgical medical medicine internal physical therapy rehab rehabilitation
    nursing walk-in urgent teaching tertiary academic private state national high middle elementary school day
    pharmacy lab labs hospital clinic health department center assisted living skilled prior previous current
    referring transferring acute long-term global world interval social past follow-up followup anticoagulation
    coumadin warfarin travel immunization vaccine dental fertility std sti hiv tb bone oral women's reproductive
    sexual electronic population"""
)
SYSTEM = any_of(
    """Mayo Mayo_Clinic Johns?_Hopkins Kaiser Kaiser_Permanente Cedars?[-\\s]Sinai Mount_Sinai Mt\\.?_Sinai
    Mass_General Massachusetts_General MGH BIDMC Beth_Israel Beth_Israel_Deaconess Brigham Brigham_(?:and|&)_Women's
    Sloan[-\\s]Kettering Memorial_Sloan[-\\s]Kettering MD_Anderson UCLA UCSF UCSD UPMC NYU NYU_Langone
    (?:New\\s?York|NY)[-\\s]Presbyterian Columbia[-\\s]Presbyterian Baylor Baylor_Scott_(?:&|and)_White Scripps
    Geisinger Intermountain Sutter Stanford Northwestern Cleveland_Clinic Dana[-\\s]Farber Vanderbilt Emory Duke
    Yale[-\\s]New_Haven Barnes[-\\s]Jewish Montefiore Bellevue Parkland Cook_County Walter_Reed Penn_Medicine OHSU
    UTMB UTSW St\\.?_Jude"""
)
DISTRICT = any_of("County Parish Borough Township Precinct Village Heights Neighborhood")
LOWER_FACILITY = any_of("clinic hospital office campus branch emergency_department emergency_room ER ED")
IN_PLACE = rf"(?:[ ](?:of|at|in)[ ](?:the[ ])?{SHORT_PHRASE})?"
IN_STATE = rf"(?:,[ ]{STATE}\b(?:,?[ ]{{1,2}}{ZIP})?)?"

ADDRESSES = RuleRecogniser(
    "addresses",
    (
        rule(
            "street", "LOCATION",
            rf"(?<![\w./-])\d{{1,6}}(?:-\d{{1,4}})?[A-Z]?[ ]{{1,2}}(?:{COMPASS}[ ])?{STREET_WORD}{{1,4}}{STREET}\b\.?"
            rf"(?:[ ]{COMPASS})?{UNIT}(?:,?\s{{1,3}}{SHORT_PHRASE},?\s{STATE}\b\.?(?:,?\s{{1,2}}{ZIP})?)?",
            0.95, case=True,
        ),
        rule(
            "street-any-case", "LOCATION",
            r"(?<![\w./-])\d{2,6}[ ](?:[nsew]\.?[ ])?[a-z]{3,15}(?:[ ][a-z]{3,15})?[ ]"
            rf"{any_of('street avenue ave road rd boulevard blvd lane court parkway')}\b{UNIT}", 0.7,
        ),
        rule("street-name", "LOCATION", rf"\b(?!{NOT_FIRST}\b){STREET_WORD}{{1,2}}{SURE_STREET}\b", 0.75, case=True),
        rule("po-box", "LOCATION", r"\bp\.?\s?o\.?\s?box\s#?\s?\d{1,8}\b", 0.95),
        rule("unit", "LOCATION", r"\b(?:apt|apartment)\.?\s?#?\s?(?:\d{1,5}[A-Z]?|[A-Z]\d{0,4})\b", 0.8),
        rule(
            "zip-cue", "LOCATION",
            r"\b(?:zip(?:[\s-]?code)?|postal\scode|postcode)[\s:=]{0,3}(?:is\s|of\s)?"
            r"(?P<v>(?=[A-Z ]{0,3}\d)[A-Z\d]{3,5}(?:[\s-]\d[A-Z\d]{1,3})?)\b", 0.95,
        ),
        rule("zip-plus-four", "LOCATION", r"(?<![\w#-])\d{5}-\d{4}(?![\w-])", 0.7),
        rule("state-zip", "LOCATION", rf"\b{STATE},?\s{{1,2}}{ZIP}\b", 0.95, case=True),
        rule("uk-postcode", "LOCATION", r"\b[A-Z]{1,2}\d[A-Z\d]?[ ]\d[ABD-HJLNP-UW-Z]{2}\b", 0.7, case=True),
        rule(
            "coordinates", "LOCATION",
            r"(?<![\d.])-?\d{1,2}\.\d{4,8}\s?°?\s?[NS]?,\s?-?\d{1,3}\.\d{4,8}\s?°?\s?[EW]?",
        ),
        rule("county", "LOCATION", rf"\b{SHORT_PHRASE}[ ]{DISTRICT}\b", 0.8, case=True),
        rule(
            "system", "LOCATION",
            rf"\b{SYSTEM}(?:[ ]{FACILITY}|[ ]{LOWER_FACILITY}){{0,2}}\b{IN_PLACE}{IN_STATE}", 0.8, case=True,
        ),
        rule(
            "saint", "LOCATION",
            rf"\b(?:St\.?|Saint)[ ]\p{{Lu}}\p{{L}}+'s(?:[ ]{LOWER_FACILITY})?\b", 0.75, case=True,
        ),
    ),
)  # fmt: skip


class Facilities(RuleRecogniser):
    """Names that end in "Hospital", "Clinic", "School" ... where at least one word before it is not a common noun."""

    def accepts(self, item: Rule, match: regex.Match[str]) -> bool:
        """Whether something before the last word tells this facility from others."""
        words = regex.split(r"[\s/]", match.group("name").lower().replace("’", "'"))
        if item.name == "vague-facility":
            return words[0] not in GENERIC and (words[0] not in ordinary_words() or words[0] in first_names())
        return any(word.strip(".,&") not in GENERIC for word in words if word)


UNITS = set_of(
    """icu er ed or pacu ccu nicu micu sicu picu cvicu snf ltc ltac osh pcp ot pt opd gp ent obgyn iop php hd copd
    dvt gerd mri ct cbt ekg ecg emg eeg tens aa na ama bid tid qid prn npo aed va"""
)
DEGREES = ("MD", "PA")
NOT_PLACES = set_of("""coast midwest northeast south north east west""")


class CuedPlaces(RuleRecogniser):
    """Capitalised words that a cue makes a place, unless they name a state or country or are ordinary words."""

    def accepts(self, item: Rule, match: regex.Match[str]) -> bool:
        """Whether what follows the cue is smaller than a state and not just the first word of something else."""
        words = match.group("place").lower().split()
        if item.name == "city-state" and match.group().endswith(DEGREES) and " ".join(words) not in cities():
            return False
        if match.group("place").isupper() and item.name != "city-state":
            return words[0] not in UNITS and len(words[0]) > 2
        return " ".join(words) not in wide_places() and words[0] not in ordinary_words() and words[-1] not in NOT_PLACES


FACILITIES = Facilities(
    "facilities",
    (
        rule(
            "facility", "LOCATION",
            rf"\b(?P<name>{PHRASE}?)[ ]{FACILITY}\b(?:[ ]{FACILITY}\b)?{IN_PLACE}{IN_STATE}", 0.85, case=True,
        ),
        rule(
            "vague-facility", "LOCATION",
            rf"(?<!\p{{Lu}}\p{{L}}{{1,30}}[ ])\b(?P<name>{WORD}(?:[ ]{WORD})?)[ ]{VAGUE_FACILITY}\b", 0.6, case=True,
        ),
    ),
)  # fmt: skip

MOVES = any_of(
    """live lives lived living reside resides resided residing born raised grew_up move moved moving relocate
    relocated relocating travel traveled travelled travels traveling travelling trip trips vacation vacationed visit
    visits visited visiting flew drove returned transferred native resident home evaluated seen treated admitted
    hospitalized stationed based located address went flight relatives family"""
)
WORKS = any_of(
    """work works worked working employed employment job employee teaches teacher studies student enrolled volunteer
    volunteers retired"""
)
KINDS = any_of("General Memorial Methodist Presbyterian Baptist Regional Mercy Deaconess Lutheran Adventist")
HEADER = any_of("hometown birthplace place_of_birth city facility location employer hospital ward site clinic")

CUED_PLACES = CuedPlaces(
    "cued-places",
    (
        rule(
            "city-state", "LOCATION",
            rf"\b(?P<place>{SHORT_PHRASE}),[ ]{STATE}(?![\w-])(?:,?[ ]{{1,2}}{ZIP})?", 0.8, case=True,
        ),
        rule(
            "moves", "LOCATION",
            rf"\b(?i:{MOVES})\s(?:back\s)?(?:in|to|from|near|at|of|outside|around)\s(?:the\s)?(?P<v>(?P<place>{SHORT_PHRASE}))",
            0.65, case=True,
        ),
        rule(
            "employer", "LOCATION",
            rf"\b(?i:{WORKS})\s(?:at|by|for|with|from)\s(?:the\s)?(?P<v>(?P<place>{PHRASE}))", 0.65, case=True,
        ),
        rule(
            "general", "LOCATION",
            rf"\b(?:at|from|to|by)\s(?:the\s)?(?P<v>(?P<place>{WORD})(?:[ ]{WORD})?[ ]{KINDS})\b", 0.7, case=True,
        ),
        rule("acronym", "LOCATION", r"\bat\s(?P<v>(?P<place>[A-Z]{3,6}))(?=\s(?:on|since|last)\b)", 0.55, case=True),
        rule("header", "LOCATION", rf"\b(?i:{HEADER})\s?:[ ]{{0,3}}(?P<v>(?P<place>{PHRASE}))", 0.75, case=True),
    ),
)  # fmt: skip

BEFORE = regex.compile(
    r"\b(?:in|to|from|near|at|of|outside|around|visiting|via)\s(?:the\s|downtown\s|suburban\s)?$", regex.IGNORECASE
)
AFTER_STATE = regex.compile(rf",\s{STATE}\b")
AFTER_CITY = regex.compile(rf"(?:[ ](?:clinic|hospital|office|campus|branch)\b|,\s{STATE}\b(?:\s{ZIP}\b)?)?")
CITIES_THAT_ARE_STATES = frozenset({"new york"})


class Gazetteer(Recogniser):
    """Cities of the gazetteer; one that is also a word or a person's name must follow "in" ... or precede a state."""

    def __init__(self) -> None:
        self.known = cities()
        self.words_at_most = max(len(city.split()) for city in self.known)
        self.token = regex.compile(rf"{WORD}")
        super().__init__(supported_entities=["LOCATION"], name="gazetteer")

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Every city with a state or a clinic behind it, the longest name first where one begins inside another."""
        found = []
        tokens = [match.span() for match in matches(self.token, text)]
        position = 0
        while position < len(tokens):
            length, end = self.city_at(text, tokens, position)
            if length:
                found.append(self.finding("city", "LOCATION", tokens[position][0], end, 0.7))
            position += max(length, 1)
        return found

    def city_at(self, text: str, tokens: list[tuple[int, int]], position: int) -> tuple[int, int]:
        """How many tokens from `position` make a city here and where it ends; (0, 0) when none do."""
        start = tokens[position][0]
        for length in range(min(self.words_at_most, len(tokens) - position), 0, -1):
            end = tokens[position + length - 1][1]
            city = text[start:end].removesuffix("'s")
            if city.lower() in self.known and self.stands_as_place(text, start, start + len(city)):
                after = AFTER_CITY.match(text, end)
                return length, after.end() if after else end
        return 0, 0

    def stands_as_place(self, text: str, start: int, end: int) -> bool:
        """Whether the city at `start`-`end` means the city here, and not a word, a person, a state or a disease."""
        city = text[start:end].lower()
        if is_eponym(text, end) or (end - start <= 3 and text[start:end].isupper()):
            return False
        if city in wide_places() and city not in CITIES_THAT_ARE_STATES:
            return AFTER_STATE.match(text, end) is not None
        if city in ordinary_words() or city in first_names() or city in surnames():
            return bool(BEFORE.search(text, max(0, start - 24), start) or AFTER_STATE.match(text, end))
        return True
