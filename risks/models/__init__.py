from risks.models.category import Category
from risks.models.imports import ImportBatch, ImportRow
from risks.models.observation import Observation
from risks.models.risk import Risk, Tag
from risks.models.score import Cause, CoverSheet, ScoreEntry
from risks.models.suggestion import RuleSetting, Suggestion
from risks.models.view import SavedView

__all__ = [
    "Category",
    "Cause",
    "CoverSheet",
    "ImportBatch",
    "ImportRow",
    "Observation",
    "Risk",
    "RuleSetting",
    "SavedView",
    "ScoreEntry",
    "Suggestion",
    "Tag",
]
