from django.urls import path

from monitoring import views

app_name = "monitoring"
urlpatterns = [
    path("", views.today, name="today"),
    path("heat-map/", views.heat_map, name="heat_map"),
    path("flags/", views.flags, name="flags"),
    path("flags/<int:pk>/answer/", views.answer_flag, name="answer_flag"),
    path("reviews/", views.reviews, name="reviews"),
    path("reviews/<int:risk_id>/confirm/", views.confirm_review, name="confirm_review"),
    path("risks/<int:risk_id>/monitoring/", views.panel, name="panel"),
    path("digest/", views.my_digest, name="my_digest"),
    path("digest/now/", views.send_digest_now, name="send_digest_now"),
    path("digest/<int:pk>/", views.digest, name="digest"),
    path("settings/", views.settings_page, name="settings"),
]
