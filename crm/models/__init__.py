from crm.models.customer import Customer
from crm.models.measurement import Measure, Measurement

__all__ = ["Customer", "Measure", "Measurement"]
