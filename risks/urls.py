from django.urls import path

from risks.views import categories, customers, identify, imports, register, risk

app_name = "risks"
urlpatterns = [
    path("", register.register_page, name="register"),
    path("capture/", register.capture, name="capture"),
    path("duplicates/", register.duplicates, name="duplicates"),
    path("export/<slug:kind>/", register.export, name="export"),
    path("new/", risk.new, name="new"),
    path("bin/", risk.bin_page, name="bin"),
    path("<int:pk>/", risk.show, name="show"),
    path("<int:pk>/edit/", risk.edit, name="edit"),
    path("<int:pk>/close/", risk.close, name="close"),
    path("<int:pk>/reopen/", risk.reopen, name="reopen"),
    path("<int:pk>/delete/", risk.delete, name="delete"),
    path("<int:pk>/restore/", risk.restore, name="restore"),
    path("<int:pk>/history/", risk.history, name="history"),
    path("identify/", identify.inbox, name="inbox"),
    path("identify/new/", identify.new_observation, name="new_observation"),
    path("identify/<int:pk>/link/", identify.link, name="link"),
    path("identify/<int:pk>/unlink/", identify.unlink, name="unlink"),
    path("identify/<int:pk>/dismiss/", identify.dismiss, name="dismiss"),
    path("identify/<int:pk>/take-back/", identify.take_back, name="take_back"),
    path("import/", imports.upload, name="import"),
    path("import/<int:pk>/", imports.show, name="import_show"),
    path("import/<int:pk>/columns/", imports.columns, name="import_columns"),
    path("import/<int:pk>/apply/", imports.apply, name="import_apply"),
    path("import/<int:pk>/undo/", imports.undo, name="import_undo"),
    path("import/<int:pk>/discard/", imports.discard, name="import_discard"),
    path("customers/", customers.customers, name="customers"),
    path("customers/<int:pk>/", customers.edit_customer, name="edit_customer"),
    path("categories/", categories.categories, name="categories"),
    path("categories/new/", categories.add_category, name="add_category"),
    path("categories/<int:pk>/", categories.edit_category, name="edit_category"),
]
