from django.apps import AppConfig


class EvaluationConfig(AppConfig):
    """Steps 9 to 12: inference, blind rating, reports, deployment."""

    name = "evaluation"
    default_auto_field = "django.db.models.BigAutoField"
