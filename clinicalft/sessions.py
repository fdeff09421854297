"""Sessions in the database, as Django keeps them; every request begins by reading one."""

from typing import Any

from django.contrib.sessions.backends import db
from django.db import connection

READ = "SELECT session_data FROM django_session WHERE session_key = %s AND expire_date > statement_timestamp()"


class SessionStore(db.SessionStore):
    """Django's store, with the reading by one plain statement."""

    def load(self) -> dict[str, Any]:
        """What the session holds; a key that is unknown or has expired is forgotten."""
        with connection.cursor() as cursor:
            cursor.execute(READ, [self.session_key])
            row = cursor.fetchone()
        if row is None:
            self._session_key = None
            return {}
        content: dict[str, Any] = self.decode(row[0])
        return content
