from django.urls import path

from monitoring.views import digests, method, portfolio, watch

app_name = "monitoring"
urlpatterns = [
    path("", watch.today, name="today"),
    path("heat-map/", watch.heat_map, name="heat_map"),
    path("flags/", watch.flags, name="flags"),
    path("flags/<int:pk>/answer/", watch.answer_flag, name="answer_flag"),
    path("reviews/", watch.reviews, name="reviews"),
    path("reviews/<int:risk_id>/confirm/", watch.confirm_review, name="confirm_review"),
    path("risks/<int:risk_id>/monitoring/", watch.panel, name="panel"),
    path("digest/", digests.my_digest, name="my_digest"),
    path("digest/now/", digests.send_digest_now, name="send_digest_now"),
    path("digest/<int:pk>/", digests.digest, name="digest"),
    path("method/<int:pk>/what-if/", method.what_if, name="what_if"),
    path("method/<int:pk>/what-if/changes/", method.what_if_changes, name="what_if_changes"),
    path("method/<int:pk>/schedule/", method.schedule, name="schedule_method"),
    path("method/<int:pk>/unschedule/", method.unschedule, name="unschedule_method"),
    path("forecasts/", portfolio.forecasts, name="forecasts"),
    path("forecasts/<int:pk>/", portfolio.forecast, name="forecast"),
    path("targets/", portfolio.targets, name="targets"),
    path("targets/new/", portfolio.add_target, name="add_target"),
    path("targets/<int:pk>/", portfolio.edit_target, name="edit_target"),
    path("targets/<int:pk>/delete/", portfolio.delete_target, name="delete_target"),
    path("settings/", watch.settings_page, name="settings"),
]
