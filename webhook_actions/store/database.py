"""What the parts share of the database: a connection's type, and what it means that there is none."""

from typing import Any

import psycopg
from procrastinate.exceptions import ConnectorException
from psycopg import AsyncConnection
from psycopg_pool import PoolTimeout

Connection = AsyncConnection[Any]

# What is raised while the database is away; it comes back, and what was not written is done again.
GONE = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, ConnectorException)
