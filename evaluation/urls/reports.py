from django.urls import path

from evaluation.views import lineage, reports

urlpatterns = [
    path("reports/", reports.report_list, name="report-list"),
    path("rating-rounds/<int:number>/publish/", reports.report_publish, name="report-publish"),
    path("reports/<int:number>/", reports.report_detail, name="report-detail"),
    path("reports/<int:number>/progress/", reports.report_progress, name="report-progress"),
    path("reports/<int:number>/retry/", reports.report_retry, name="report-retry"),
    path("reports/<int:number>/rows/", reports.report_rows, name="report-rows"),
    path("reports/<int:number>/ratings.<str:form>", reports.report_export, name="report-export"),
    path("reports/<int:number>/approve/", reports.deployment_approve, name="deployment-approve"),
    path("reports/<int:number>/reject/", reports.deployment_reject, name="deployment-reject"),
    path("reports/<int:number>/lineage/", lineage.report_lineage, name="report-lineage"),
    path("adapters/<int:number>/lineage/", lineage.adapter_lineage, name="adapter-lineage"),
]
