"""Questions about a person: may they do this here, and the one exception that says why not. No HTTP."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from clinicalft.roles import ROLES, Permission

if TYPE_CHECKING:
    from clinicalft.models import Project, User


class Refused(Exception):
    """A rule said no. `code` is for programs and tests, `sentence` is for the person."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


def role_names(user: "User", project: "Project | None" = None) -> frozenset[str]:
    """The roles that `user` holds: site roles everywhere, project roles in `project`. Empty for the inactive."""
    if not user.is_authenticated or not user.is_active:
        return frozenset()
    names = set(user.site_roles)
    if project is not None:
        names.update(_roles_in(user, project))
    return frozenset(names)


def _roles_in(user: "User", project: "Project") -> Sequence[str]:
    """The roles of `user` in `project`, read once per user object; none for a stranger."""
    here: dict[int, Sequence[str]] = user.__dict__.get("roles_here", {})
    if project.pk in here:
        return here[project.pk]
    if "roles_by_project" not in user.__dict__:
        user.__dict__["roles_by_project"] = dict(user.memberships.values_list("project_id", "roles"))
    found: Sequence[str] = user.__dict__["roles_by_project"].get(project.pk, ())
    return found


def remember_roles(user: "User", project: "Project", roles: Sequence[str]) -> None:
    """For whoever has read the roles of `user` in `project` together with it: they are not asked for again."""
    user.__dict__["roles_here"] = {project.pk: roles}


def forget_memberships(user: "User") -> None:
    """Call after a membership of `user` changed, when the same object goes on being used."""
    user.__dict__.pop("roles_here", None)
    user.__dict__.pop("roles_by_project", None)


def permissions_of(user: "User", project: "Project | None" = None) -> frozenset[Permission]:
    """Every permission that the person's roles give in `project`, or on the site when there is none."""
    return frozenset().union(*(ROLES[name].permissions for name in role_names(user, project) if name in ROLES))


def has_permission(user: "User", permission: Permission, project: "Project | None" = None) -> bool:
    """True when one of the person's roles gives `permission` in `project` (or on the site)."""
    return permission in permissions_of(user, project)


def check_permission(user: "User", permission: Permission, project: "Project | None" = None) -> None:
    """Raises Refused("permission") unless the person's roles give `permission`."""
    if not has_permission(user, permission, project):
        holders = [role.title.lower() for role in ROLES.values() if permission in role.permissions]
        raise Refused("permission", f"Your role here does not allow this. It needs: {' or '.join(holders)}.")


def why_not(check: Callable[..., None], *args: Any, **kwargs: Any) -> str:
    """The reason that `check` gives for refusing, or an empty string: what a greyed button shows."""
    try:
        check(*args, **kwargs)
    except Refused as refusal:
        return refusal.sentence
    return ""
