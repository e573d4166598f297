from django.urls import path

from riskreg.jobs import views

app_name = "jobs"
urlpatterns = [
    path("", views.operations, name="operations"),
    path("run/<slug:name>/", views.run_now, name="run_now"),
    path("<int:pk>/retry/", views.retry, name="retry"),
    path("<int:pk>/progress/", views.progress, name="progress"),
]
