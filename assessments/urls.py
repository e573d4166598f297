from django.urls import path

from assessments.views import asking, judging, methods, reassess

app_name = "assessments"
urlpatterns = [
    path("<int:risk_id>/assess/", judging.assess, name="assess"),
    path("<int:risk_id>/assess/preview/", judging.preview, name="preview"),
    path("<int:risk_id>/assessments/", judging.panel, name="panel"),
    path("<int:risk_id>/base-rate/", judging.base_rate, name="base_rate"),
    path("<int:risk_id>/ask/", asking.ask, name="ask"),
    path("elicitations/<int:pk>/", asking.elicitation, name="elicitation"),
    path("elicitations/<int:pk>/withdraw/", asking.withdraw, name="withdraw_elicitation"),
    path("elicitations/<int:pk>/pool/", asking.pool, name="pool_elicitation"),
    path("method/", methods.methods, name="methods"),
    path("method/rescoring/", reassess.rescoring, name="rescoring"),
    path("method/to-reassess/", reassess.reassess, name="to_reassess"),
    path("method/new/", methods.new, name="new_method"),
    path("method/<int:pk>/", methods.method, name="method"),
    path("method/<int:pk>/edit/", methods.edit, name="edit_method"),
    path("method/<int:pk>/check/", methods.check_typed, name="check_method"),
    path("method/<int:pk>/discard/", methods.discard, name="discard_method"),
]
