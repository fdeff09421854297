"""What every recogniser finds: all of the marked characters and nothing else, under the right label."""

import pytest

from annotation.deid import LABELS
from tests.pure.deid.marked import letters, offsets, unmarked

EXAMPLES: dict[str, list[str]] = {
    "NAME": [
        "Seen by Dr. <<Nguyen>> today.",
        "Mr. <<Ward>> and Mrs. <<Young>> agreed.",
        "Dr <<A. J. van der Berg>> will operate.",
        "Dr. <<Okonkwo-Adeyemi>> reviewed the scan.",
        "Thanks to Prof. <<José García>>.",
        "Reviewed with <<Jane Doe>>, MD",
        "Assisted by <<Priya Raghunathan>> RN overnight.",
        "<<Smith>>, PA-C, placed the line.",
        "Patient: <<Xochitl Quetzalli>>",
        "PATIENT NAME: <<OKAFOR, CHIDI>>",
        "Attending: Dr. <<Brandt>>",
        "Electronically signed by: <<Tomasz Wojcik>>",
        "Emergency contact: <<Lakshmi Iyer>>",
        "<<SMITH, JOHN A.>> was discharged.",
        "<<Collins, Martha>> was discharged.",
        "<<Martha Collins>> presents for follow up.",
        "<<Martha>> is doing well.",
        "She lives with her husband <<Tom>> and a cat.",
        "Her daughter, <<Siobhan>>, gave the history.",
        "Her sister (<<Anneke>>) has diabetes.",
        "Her son <<Young>> came along.",
        "A man named <<Bartholomew>> fell.",
        "Consult on <<Anna S.>> for epilepsy.",
        "Discussed with <<J. Nakamura>> at length.",
        "<<Okoro>> is a pleasant 41-year-old man.",
        "History from patient <<Hernandez>>.",
        "hi , <<martha>> . how are you ?",
        "good morning , mr . <<ward>> .",
        "spoke with <<robert johnson>> about it",
        "<<MARTHA COLLINS>> SEEN TODAY",
        "Case of <<Jonathan Edwards>>'s knee.",
        "<<Yvone889 Janina163>> is 40.",
        "<<María García López>> is 40.",
        "<<Mary-Ann>> came, and <<Martha>>'s son.",
    ],
    "DATE": [
        "Seen <<2023-04-25>> here.",
        "Seen <<03/04/2021>> here.",
        "Seen <<3-4-21>> here.",
        "Seen <<12.03.2021>> here.",
        "In <<02/2020>> it began.",
        "On <<March 9>> it began.",
        "On <<March 9th, 2021>> it began.",
        "On <<Monday, March 9, 2021>> it began.",
        "On <<14 November 2004>> it began.",
        "On <<14NOV2004>> it began.",
        "On <<14-Nov-2004>> it began.",
        "On <<the 14th of March>> it began.".replace("<<the ", "the <<"),
        "On <<Sept 15th, 2023>> it began.",
        "On <<March ninth>> it began.",
        "In <<March 2021>> it began.",
        "In <<April>> it began.",
        "in <<march>> it began.",
        "since <<May>> of last year",
        "since <<3/14>> she coughs",
        "<<3/14>>: afebrile",
        "Stay <<3/14-3/18>> without events",
        "DOB: <<03/04/1931>>",
        "DOB <<03041931>>",
        "She was born in <<1931>> abroad.",
        "in the <<spring of 2020>> she fell",
        "fell over <<Christmas>> again",
        "Drawn <<2021-03-04T12:33:00Z>>",
        "Seen <<Aug 10, '23>> here.",
        "Due on the <<21st>>.",
    ],
    "AGE_OVER_89": [
        "A <<91-year-old>> woman fell.",
        "A <<92 y/o>> man fell.",
        "A <<93yo>> man fell.",
        "Age: <<94>>",
        "She is aged <<ninety-two>> now.",
        "A <<ninety-one year old>> farmer.",
        "A <<one hundred and two year old>> nun.",
        "A <<91F>> with a cough.",
        "He turned <<90>> recently.",
        "On her <<91st>> birthday she fell.",
        "A frail <<nonagenarian>> fell.",
        "She is in her <<nineties>>.",
        "A <<101 year old>> man.",
    ],
    "PHONE": [
        "Call <<555-123-4567>> now.",
        "Call <<(212) 555-7890 x12>> now.",
        "cell: <<4155551234>>",
        "Reach us at <<415.555.1234>>.",
        "From abroad <<+44 20 7946 0958>>.",
        "pager <<4432>>",
        "Phone <<555-0199>>",
        "<<1-800-555-0199>>",
    ],
    "FAX": ["Fax: <<212-555-0000>>", "fax number is <<(212) 555-0000>>", "send to <<212-555-0000>> (fax)"],
    "EMAIL": [
        "Write to <<jdoe@hospital.local>> please.",
        "Write to <<anne.o'neil+ward@med.example.com>>.",
        "Write to <<jdoe at hospital dot org>>.",
        "<<jdoe@intranet>>",
    ],
    "SSN": [
        "SSN <<123-45-6789>>",
        "SSN: <<987654321>>",
        "number <<123-45-6789>> on file",
        "ends <<***-**-6789>>",
        "social security number <<XXX-XX-1234>>",
    ],
    "MRN": [
        "MRN: <<00481936>>",
        "MRN <<BG-54321>>",
        "MRN# <<12345-678>>",
        "medical record number is <<998877>>",
        "Chart #<<A12345>>",
        "patient ID: <<897-65-4321>>",
        "MRN 0048 1936".replace("0048 1936", "<<0048 1936>>"),
    ],
    "HEALTH_PLAN_ID": [
        "Member ID: <<XYZ-987654>>",
        "Insurance number <<987654321>>",
        "Medicare <<1EG4-TE5-MK73>>",
        "health plan #<<R-987654>>",
        "ins. #<<789-1234-567>>",
        "policy <<HMO67890>>",
    ],
    "ACCOUNT": [
        "Account number: <<00123456789>>",
        "acct <<AB-99887>>",
        "paid by <<4111 1111 1111 1111>>",
        "IBAN <<DE89370400440532013000>>",
    ],
    "LICENSE": ["NPI <<1234567893>>", "DEA <<AB1234563>>", "license no. <<MD-44521>>", "driver's license <<D1234567>>"],
    "VEHICLE_ID": ["VIN <<1HGCM82633A004352>>", "license plate <<7ABC123>>", "plate <<KX 4471>>"],
    "DEVICE_ID": [
        "Pacemaker serial <<PJN612345>>",
        "S/N <<A-77123>>",
        "UDI <<(01)00844588003288(17)141120(10)7654321D(21)10987654d321>>",
        "MAC <<00:1B:44:11:3A:B7>>",
        "Lot <<EN6201>>",
    ],
    "URL": [
        "See <<https://portal.example.org/p?id=1>>.",
        "See <<www.example.org/notes>>.",
        "See <<mychart.example.org/abc>>.",
    ],
    "IP": ["from <<192.168.10.24>> at night", "from <<fe80::1ff:fe23:4567:890a>> at night"],
    "BIOMETRIC_ID": ["Fingerprint template <<FP-99231>>", "Voiceprint ID: <<VP22841>>", "retinal scan <<RS-5512-A>>"],
    "OTHER_ID": [
        "Accession <<S21-44512>>",
        "Study ID: <<ABC-0042>>",
        "encounter #<<7745123>>",
        "passport <<X1234567>>",
        "username <<jdoe77>>",
        "code <<9f1b7c1e-3f2a-4c58-9d5e-0a1b2c3d4e5f>>",
        "ref <<BX-123456>> on the form",
        "bracelet <<889123456012>> read",
        "the file number on record 66123".replace("66123", "<<66123>>"),
    ],
    "LOCATION": [
        "Lives at <<12 Maple Dr, Apt 4>>.",
        "Lives at <<1600 N. Pennsylvania Avenue, Springfield, IL 62704>>.",
        "Mail to <<P.O. Box 1187>>.",
        "ZIP <<02139>>",
        "in <<Houston, Texas>>",
        "in <<Miami, FL 33101>>",
        "She lives in <<Chicago>> alone.",
        "She moved to <<Reading>> alone.",
        "Seen at <<St. Mary's Hospital>> before.",
        "Seen at <<Cedar Creek Clinic>> before.",
        "Seen at <<Johns Hopkins>> before.",
        "Seen at <<NYU Langone clinic>> before.",
        "Seen at <<Cincinnati General>> before.",
        "Seen at <<UWMC>> on a Monday.",
        "Seen at <<St. Luke's>> before.",
        "Works at <<Boeing>> as a welder.",
        "From <<Cook County>> originally.",
        "Goes to <<Lincoln High School>>.",
        "At <<51.50735, -0.12776>> found.",
        "On <<Maple Street>> found.",
        "He lives in <<Victoria, TX>> now.",
        "Billing by <<Mercy Healthcare>> came.",
        "Goes to <<Ochsner Health>> often.",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("label", "example"), [(label, text) for label, texts in EXAMPLES.items() for text in texts])
def test_identifier_is_found_whole_alone_and_under_its_label(deidentifier, label, example):
    text, marks = unmarked(example)

    found = deidentifier.find(text)

    assert letters(text, offsets(found)) == letters(text, marks)
    assert {span.label for span in found} == {label}


def test_every_label_has_an_example():
    assert set(EXAMPLES) == set(LABELS)


def test_labels_carry_a_plain_name_and_every_textual_number_of_the_rule():
    assert {label.safe_harbor for label in LABELS.values()} == set(range(1, 19)) - {17}
    assert all(label.name[0].isupper() and "_" not in label.name for label in LABELS.values())


@pytest.mark.parametrize(
    "text",
    [
        "Murphy's sign and Babinski reflex negative; no Parkinson's disease, no Crohn disease.",
        "Foley catheter out. Glasgow Coma Scale 15. Framingham risk score 12. Lyme disease excluded.",
        "Epstein-Barr virus and Hodgkin lymphoma were ruled out; Romberg test normal.",
        "2/6 systolic murmur, vision 20/25, strength 5/5, reflexes 2+, pain 7/10, BP 120/80.",
        "WBC 11.2, platelets 250000, sodium 138 mmol/L, glucose 102, INR 2.1, pH 7.35.",
        "Temperature is 98 F, then 37.3 C (99 F); pulse 96 per minute; SpO2 97%.",
        "A 52-year-old man and an 89-year-old woman; gravida 2, para 1.",
        "Lisinopril 20 mg, Allegra 180 mg, Protonix 40 mg, insulin 12 units, vitamin D 1000 IU.",
        "Hepatitis C antibody positive, vitamin B12 low, type 2 diabetes, grade 3 tumor, stage IV.",
        "Emergency department, outpatient clinic, primary care, home health, physical therapy.",
        "Patient Agreements: The patient understands. Chief Complaint: Cough. Plan: Continue.",
        "He will rest, may drive, and can march in a parade; grace and hope remain; mark the site.",
        "Diagnosed in 2018, worse in 2021; last week she felt better; ten years ago it began.",
        "Traveled to Mexico and Texas. He is German. The West Coast was warm.",
        "C5-C6 disc, L4/L5, T2-weighted images, ICD J45.909, CPT excluded, HbA1c 6.5%.",
        "ST elevation in V2 to V4; IV access; PT and OT consulted; DVT and COPD noted.",
        "Take 1-2 tablets every 4-6 hours for 10-14 days, 3 times a day, with 250 mL.",
        "Johnson & Johnson sutures 4-0; MRI 1.5 T; 22 gauge; ratio 1/2048.",
        "The [NAME] seen on [DATE] at [LOCATION] is 45.",
        "",
        "   \n\t ",
    ],
)
def test_clinical_language_without_identifiers_stays_untouched(deidentifier, text):
    assert deidentifier.find(text) == []
