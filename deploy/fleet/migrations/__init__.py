"""Alembic migrations of the fleet database, applied by deploy.fleet.database when it opens one."""
