from django.urls import path

from riskreg.mail import views

app_name = "mail"
urlpatterns = [
    path("", views.inbox, name="inbox"),
    path("<int:pk>/", views.show, name="show"),
    path("<int:pk>/html/", views.html, name="html"),
]
