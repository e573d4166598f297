from __future__ import annotations

from django.contrib import messages
from django.db.models import Count, ProtectedError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST, require_safe

from riskreg.accounts import tokens as api_tokens
from riskreg.accounts.actions import save_team, set_role
from riskreg.accounts.forms import NewPersonForm, PersonForm, ProfileForm, RoleForm, TeamForm, TokenForm
from riskreg.accounts.models import ApiToken, Membership, Team, User
from riskreg.accounts.permissions import admin_only
from riskreg.ui.listing import list_page


def profile(request: HttpRequest) -> HttpResponse:
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        user = form.save()
        with override(user.language):
            messages.success(request, _("Your settings are saved."))
        return redirect("accounts:profile")
    return render(request, "accounts/profile.html", {"form": form})


@require_safe
def tokens(request: HttpRequest) -> HttpResponse:
    return list_page(
        request,
        queryset=ApiToken.objects.filter(user=request.user),
        template="accounts/tokens.html",
        orders={"name": "name", "created": "created_at", "used": "last_used_at", "expires": "expires_at"},
        default_order="-created",
        context={"now": timezone.now()},
    )


@sensitive_variables("secret")
def add_token(request: HttpRequest) -> HttpResponse:
    """The answer to the form shows the secret, once: it is stored nowhere, so there is no page to redirect to."""
    form = TokenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        token, secret = api_tokens.create(user=request.user, now=timezone.now(), **form.cleaned_data)
        return render(request, "accounts/token_made.html", {"token": token, "secret": secret})
    return render(request, "accounts/token_form.html", {"form": form})


@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(ApiToken, pk=pk, user=request.user)
    if api_tokens.revoke(token, now=timezone.now()):
        messages.success(request, _("The token %(name)s is revoked.") % {"name": token.name})
    return redirect("accounts:tokens")


@admin_only
@require_safe
def people(request: HttpRequest) -> HttpResponse:
    return list_page(
        request,
        queryset=User.objects.prefetch_related("memberships__team"),
        template="accounts/people.html",
        orders={"name": "first_name", "username": "username", "email": "email"},
        default_order="name",
    )


@admin_only
def add_person(request: HttpRequest) -> HttpResponse:
    form = NewPersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = form.save()
        messages.success(request, _("%(name)s is added. Give a role in a team next.") % {"name": user})
        return redirect("accounts:teams")
    return render(request, "accounts/person_form.html", {"form": form})


@admin_only
def edit_person(request: HttpRequest, pk: int) -> HttpResponse:
    user = get_object_or_404(User, pk=pk)
    form = PersonForm(request.POST or None, instance=user)
    if request.method == "POST" and form.is_valid():
        if user == request.user and not (form.cleaned_data["is_admin"] and form.cleaned_data["is_active"]):
            form.add_error(None, _("You cannot take away your own access; ask another administrator."))
        else:
            form.save()
            messages.success(request, _("%(name)s is saved.") % {"name": user})
            return redirect("accounts:people")
    return render(request, "accounts/person_form.html", {"form": form, "person": user})


@admin_only
@require_safe
def teams(request: HttpRequest) -> HttpResponse:
    found = Team.objects.annotate(risk_count=Count("risks", distinct=True)).prefetch_related("memberships__user")
    return render(request, "accounts/teams.html", {"teams": found})


@admin_only
def add_team(request: HttpRequest) -> HttpResponse:
    form = TeamForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        team = save_team(name=form.cleaned_data["name"], parent=form.cleaned_data["parent"])
        messages.success(request, _("The team %(name)s is added.") % {"name": team})
        return redirect("accounts:edit_team", team.pk)
    return render(request, "accounts/team_form.html", {"form": form})


@admin_only
def edit_team(request: HttpRequest, pk: int) -> HttpResponse:
    team = get_object_or_404(Team, pk=pk)
    form = TeamForm(request.POST or None, team=team, initial={"name": team.name, "parent": team.parent_id})
    if request.method == "POST" and form.is_valid():
        save_team(name=form.cleaned_data["name"], parent=form.cleaned_data["parent"], team=team)
        messages.success(request, _("The team %(name)s is saved.") % {"name": team})
        return redirect("accounts:teams")
    roles = team.memberships.select_related("user").order_by("user__first_name", "user__username")
    return render(
        request, "accounts/team_form.html", {"form": form, "team": team, "roles": roles, "role_form": RoleForm()}
    )


@admin_only
@require_POST
def delete_team(request: HttpRequest, pk: int) -> HttpResponse:
    team = get_object_or_404(Team, pk=pk)
    try:
        team.delete()
    except ProtectedError:
        messages.error(
            request, _("%(name)s still has risks, customers or teams below it, so it stays.") % {"name": team}
        )
    else:
        messages.success(request, _("The team %(name)s is deleted.") % {"name": team})
    return redirect("accounts:teams")


@admin_only
@require_POST
def give_role(request: HttpRequest, pk: int) -> HttpResponse:
    team = get_object_or_404(Team, pk=pk)
    form = RoleForm(request.POST)
    if form.is_valid():
        set_role(user=form.cleaned_data["user"], team=team, role=form.cleaned_data["role"])
        messages.success(request, _("%(name)s has the role now.") % {"name": form.cleaned_data["user"]})
    else:
        messages.error(request, _("Choose a person and a role."))
    return redirect("accounts:edit_team", team.pk)


@admin_only
@require_POST
def take_role(request: HttpRequest, pk: int) -> HttpResponse:
    membership = get_object_or_404(Membership.objects.select_related("user"), pk=pk)
    membership.delete()
    messages.success(request, _("%(name)s no longer has a role in this team.") % {"name": membership.user})
    return redirect("accounts:edit_team", membership.team_id)
