from assessments.models.assessment import Assessment
from assessments.models.elicitation import Elicitation, Opinion
from assessments.models.method import Method

__all__ = ["Assessment", "Elicitation", "Method", "Opinion"]
