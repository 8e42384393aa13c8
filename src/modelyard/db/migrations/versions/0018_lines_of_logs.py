"""Line numbers of the logs of builds."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("build_steps", sa.Column("log_lines", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("build_logs", sa.Column("step_line", sa.BigInteger(), nullable=False, server_default="0"))
    counted = sa.text(
        "SELECT build_id, position, SUM(LENGTH(text) - LENGTH(REPLACE(text, :newline, ''))) OVER "
        "(PARTITION BY build_id, attempt, step ORDER BY step_position "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM build_logs"
    )
    connection = op.get_bind()
    rows = connection.execute(counted, {"newline": "\n"}).all()
    update = sa.text(
        "UPDATE build_logs SET step_line = :before WHERE build_id = :build AND position = :position"
    )
    lines = [
        {"build": build, "position": position, "before": before} for build, position, before in rows if before
    ]
    if lines:
        connection.execute(update, lines)
    op.execute(
        sa.text(
            "UPDATE build_steps SET log_lines = COALESCE((SELECT MAX(l.step_line + LENGTH(l.text) - "
            "LENGTH(REPLACE(l.text, :newline, ''))) FROM build_logs l "
            "JOIN build_attempts a ON a.build_id = l.build_id AND a.number = l.attempt "
            "WHERE a.id = build_steps.attempt_id AND l.step = build_steps.name), 0)"
        ).bindparams(newline="\n")
    )
