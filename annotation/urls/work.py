from django.urls import path

from annotation.views import work

ITEM = "work/<int:number>/<int:item_number>/"

urlpatterns = [
    path("work/", work.work_list, name="work-list"),
    path("work/<int:number>/", work.work_round, name="work-round"),
    path("work/<int:number>/acknowledge/", work.guideline_acknowledge, name="guideline-acknowledge"),
    path("work/<int:number>/next/", work.next_claim, name="next-claim"),
    path("work/<int:number>/done/", work.work_done, name="work-done"),
    path(ITEM, work.work_item, name="work-item"),
    path(f"{ITEM}draft/", work.draft_save, name="draft-save"),
    path(f"{ITEM}submit/", work.annotation_submit, name="annotation-submit"),
    path(f"{ITEM}skip/", work.item_skip, name="item-skip"),
    path(f"{ITEM}lease/", work.lease_extend, name="lease-extend"),
    path("codes/", work.code_search, name="code-search"),
]
