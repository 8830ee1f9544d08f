"""PostgreSQL, where all processes meet: transactions, paging and migrations. Domains own their tables."""

from volutus.db.database import Database, Tx
from volutus.db.paging import Page, SortKey, paged

__all__ = ["Database", "Page", "SortKey", "Tx", "paged"]
