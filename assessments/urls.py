from django.urls import path

from assessments import views

app_name = "assessments"
urlpatterns = [
    path("<int:risk_id>/assess/", views.assess, name="assess"),
    path("<int:risk_id>/assess/preview/", views.preview, name="preview"),
    path("<int:risk_id>/assessments/", views.panel, name="panel"),
    path("method/", views.method, name="method"),
]
