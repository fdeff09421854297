"""All pages of steps 6 to 8, one list per object; project pages are mounted at projects/<slug>/."""

from training.urls import datasets, runs

app_name = "training"
urlpatterns = [*datasets.urlpatterns, *runs.urlpatterns]
