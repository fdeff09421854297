"""All pages of steps 9 to 12, one list per object; mounted at projects/<slug>/."""

from evaluation.urls import inference, ratings, reports

app_name = "evaluation"
urlpatterns = [*inference.urlpatterns, *ratings.urlpatterns, *reports.urlpatterns]
