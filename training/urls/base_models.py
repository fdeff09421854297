"""Base models belong to the site; mounted at base-models/."""

from django.urls import path

from training.views import base_models

urlpatterns = [
    path("", base_models.base_model_list, name="base-model-list"),
    path("register/", base_models.base_model_register, name="base-model-register"),
    path("<int:pk>/", base_models.base_model_detail, name="base-model-detail"),
    path("<int:pk>/progress/", base_models.base_model_progress, name="base-model-progress"),
    path("<int:pk>/retry/", base_models.base_model_retry, name="base-model-retry"),
]
