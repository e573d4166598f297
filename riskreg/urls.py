from django.urls import include, path

from riskreg.jobs import probes

urlpatterns = [
    path("", include("monitoring.urls")),
    path("risks/", include("risks.urls")),
    path("risks/", include("assessments.urls")),
    path("risks/", include("responses.urls")),
    path("accounts/", include("riskreg.accounts.urls")),
    path("jobs/", include("riskreg.jobs.urls")),
    path("inbox/", include("riskreg.mail.urls")),
    path("health/", probes.web, name="health"),
    path("health/work/", probes.work, name="health_work"),
]
