"""The rules of the identify stage. Importing this package fills RULES with all of them."""

from risks.rules import competitor, compliance, customer, market, process  # noqa: F401  each enters its own
