from django.urls import path

from training.views import datasets

urlpatterns = [
    path("datasets/", datasets.dataset_list, name="dataset-list"),
    path("datasets/freeze/", datasets.dataset_freeze, name="dataset-freeze"),
    path("datasets/<int:number>/", datasets.dataset_detail, name="dataset-detail"),
    path("datasets/<int:number>/progress/", datasets.dataset_progress, name="dataset-progress"),
    path("datasets/<int:number>/download/<str:file_name>/", datasets.dataset_download, name="dataset-download"),
]
