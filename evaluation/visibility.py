"""Who may see which outputs and ratings. Blind means blind here, in the queries, not only on the pages."""

from django.db.models import Q, QuerySet

from annotation.models import NoteStatus
from clinicalft.models import Project, User
from evaluation.models import Output, Rating, RatingRound, RatingRoundStatus, RatingStatus

NOT_WITHDRAWN = "example__item__note__note__status"


def readable_outputs(outputs: QuerySet[Output]) -> QuerySet[Output]:
    """Outputs whose note is not withdrawn: what was written from a withdrawn note is taken away with it."""
    return outputs.exclude(**{NOT_WITHDRAWN: NoteStatus.WITHDRAWN})


def own_ratings(user: User, project: Project) -> QuerySet[Rating]:
    """The ratings that the person is to give or has given, without those of withdrawn notes and of imported rounds."""
    mine = Rating.objects.filter(project=project, rater=user, rating_round__is_imported=False)
    return mine.exclude(**{f"output__{NOT_WITHDRAWN}": NoteStatus.WITHDRAWN})


def waiting_ratings(user: User, rating_round: RatingRound) -> QuerySet[Rating]:
    """The person's ratings that are still to be given in the round, in their own order."""
    mine = own_ratings(user, rating_round.project).filter(rating_round=rating_round, status=RatingStatus.WAITING)
    return mine.filter(rating_round__status=RatingRoundStatus.OPEN).order_by("position")


def own_rating_rounds(user: User, project: Project) -> QuerySet[RatingRound]:
    """The rounds that the person rates in."""
    return RatingRound.objects.filter(Q(raters=user), project=project, is_imported=False)
