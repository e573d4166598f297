"""What the detection rules say to people: their names, what can be set, and each suggestion in a sentence or two.

The rules (risks/rules) know numbers only. Here is the one place where those become words, in the active language.
"""

from risks.rule_words.labels import EXPLANATIONS, NAMES, PARAMETERS
from risks.rule_words.measures import MEASURES
from risks.rule_words.sentences import says
from risks.rule_words.titles import risk_fields, subject, title

__all__ = ["EXPLANATIONS", "MEASURES", "NAMES", "PARAMETERS", "risk_fields", "says", "subject", "title"]
