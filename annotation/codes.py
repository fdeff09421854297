"""Search in a code set: by the beginning of a code, or by the beginnings of words of its names. One query."""

import re

from django.contrib.postgres.search import SearchQuery
from django.db.models import Q, QuerySet
from django.db.models.functions import Length

from annotation.models import Code

CODE = re.compile(r"[A-Za-z]\d[0-9A-Za-z]{0,5}", re.ASCII)
HEADER = "A heading: more specific codes lie below it."


def code_sets() -> list[str]:
    """The names of the code sets that are loaded."""
    return list(Code.objects.order_by("code_set").values_list("code_set", flat=True).distinct())


def search_codes(code_set: str, words: str, limit: int = 20) -> QuerySet[Code]:
    """The best `limit` codes: for "j44" and "J441" those that begin so, for "copd exac" those with such words.

    Codes that may be billed come first, then those named so in the code set itself, then the more general ones, whose
    codes and names are shorter.
    """
    found = Code.objects.filter(code_set=code_set).defer("search")
    plain = words.strip().replace(".", "")
    if CODE.fullmatch(plain):
        dotted = plain.upper() if len(plain) <= 3 else f"{plain[:3]}.{plain[3:]}".upper()
        return found.filter(code__startswith=dotted).order_by(Length("code"), "code")[:limit]
    tokens = re.findall(r"\w+", words)
    if not tokens or len(max(tokens, key=len)) < 2:
        return found.none()
    # Each word is quoted, so that nothing typed is an operator.
    anywhere, named = (
        SearchQuery(" & ".join(f"'{token}':*{weight}" for token in tokens), search_type="raw", config="simple")
        for weight in ("", "A")
    )
    found = found.filter(search=anywhere).annotate(is_named=Q(search=named))
    return found.order_by("-is_billable", "-is_named", Length("code"), Length("description"), "code")[:limit]
