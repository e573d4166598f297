from django.db import models
from django.utils.translation import gettext_lazy as _


class LocalMessage(models.Model):
    """A mail kept here instead of sent, while no mail server is configured."""

    to = models.EmailField(_("to"))
    subject = models.CharField(_("subject"), max_length=300)
    text = models.TextField()
    html = models.TextField(blank=True)
    message_id = models.CharField(max_length=200)
    at = models.DateTimeField(_("at"))
    read_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("mail")
        verbose_name_plural = _("mails")
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["to", "-at"], name="local_message_to")]
        # As a mail program folds a repeat into one: the same Message-ID to the same person is the same mail.
        constraints = [models.UniqueConstraint("to", "message_id", name="local_message_once")]

    def __str__(self) -> str:
        return self.subject
