from django.urls import path

from responses import views

app_name = "responses"
urlpatterns = [
    path("<int:risk_id>/responses/", views.panel, name="panel"),
    path("<int:risk_id>/responses/new/", views.new, name="new"),
    path("<int:risk_id>/playbooks/", views.playbooks, name="playbooks"),
    path("<int:risk_id>/playbooks/<int:pk>/", views.use_playbook, name="use_playbook"),
    path("<int:risk_id>/accept/", views.accept, name="accept"),
    path("responses/<int:pk>/", views.edit, name="edit"),
    path("responses/<int:pk>/withdraw/", views.withdraw, name="withdraw"),
    path("responses/<int:pk>/restore/", views.restore, name="restore"),
    path("actions/<int:pk>/status/", views.set_status, name="set_status"),
    path("acceptances/<int:pk>/revoke/", views.revoke, name="revoke"),
]
