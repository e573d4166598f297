from django.contrib.auth import views as auth_views
from django.urls import path, reverse_lazy

from riskreg.accounts import views

app_name = "accounts"
urlpatterns = [
    path(
        "login/",
        auth_views.LoginView.as_view(template_name="accounts/login.html", redirect_authenticated_user=True),
        name="login",
    ),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("profile/", views.profile, name="profile"),
    path(
        "password/",
        auth_views.PasswordChangeView.as_view(
            template_name="accounts/password.html", success_url=reverse_lazy("accounts:password_changed")
        ),
        name="password",
    ),
    path(
        "password/changed/",
        auth_views.PasswordChangeDoneView.as_view(template_name="accounts/password_changed.html"),
        name="password_changed",
    ),
    path("tokens/", views.tokens, name="tokens"),
    path("tokens/new/", views.add_token, name="add_token"),
    path("tokens/<int:pk>/revoke/", views.revoke_token, name="revoke_token"),
    path("people/", views.people, name="people"),
    path("people/new/", views.add_person, name="add_person"),
    path("people/<int:pk>/", views.edit_person, name="edit_person"),
    path("teams/", views.teams, name="teams"),
    path("teams/new/", views.add_team, name="add_team"),
    path("teams/<int:pk>/", views.edit_team, name="edit_team"),
    path("teams/<int:pk>/delete/", views.delete_team, name="delete_team"),
    path("teams/<int:pk>/roles/", views.give_role, name="give_role"),
    path("roles/<int:pk>/delete/", views.take_role, name="take_role"),
]
