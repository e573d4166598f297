from crm.models.customer import Customer

__all__ = ["Customer"]
