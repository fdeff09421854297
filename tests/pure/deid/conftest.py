import pytest

from annotation.deid.detect import Deidentifier


@pytest.fixture(scope="session")
def deidentifier() -> Deidentifier:
    return Deidentifier()
