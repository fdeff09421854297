"""PostgreSQL and Redis for one machine, used when no URL names others. Unix sockets only."""

from clinicalft.embedded.places import database_url, redis_url
from clinicalft.embedded.process import Broken

__all__ = ["Broken", "database_url", "redis_url"]
