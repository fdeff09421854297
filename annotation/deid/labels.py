"""The labels of identifiers: one table, in the order of the Safe Harbor list (45 CFR 164.514(b)(2)(i))."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Label:
    """One kind of identifier. `safe_harbor` is its number among the 18 of the rule; photographs (17) have no text."""

    code: str
    name: str
    safe_harbor: int


LABELS: dict[str, Label] = {
    label.code: label
    for label in (
        Label("NAME", "Name of a person", 1),
        Label("LOCATION", "Place smaller than a state, or organisation", 2),
        Label("DATE", "Date finer than a year", 3),
        Label("AGE_OVER_89", "Age of 90 or more", 3),
        Label("PHONE", "Telephone or pager number", 4),
        Label("FAX", "Fax number", 5),
        Label("EMAIL", "E-mail address", 6),
        Label("SSN", "Social security number", 7),
        Label("MRN", "Medical record number", 8),
        Label("HEALTH_PLAN_ID", "Health plan or insurance number", 9),
        Label("ACCOUNT", "Account or card number", 10),
        Label("LICENSE", "Certificate or licence number", 11),
        Label("VEHICLE_ID", "Vehicle or number plate", 12),
        Label("DEVICE_ID", "Device identifier or serial number", 13),
        Label("URL", "Web address", 14),
        Label("IP", "Network address", 15),
        Label("BIOMETRIC_ID", "Biometric identifier", 16),
        Label("OTHER_ID", "Other identifying number or code", 18),
    )
}
