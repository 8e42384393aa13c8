"""All tables together, because foreign keys cross features."""

# Each of these modules holds only tables and the words in their columns, all of them public: naming them again here
# would be a second list to maintain.
from modelyard.db.tables.access import *  # noqa: F403
from modelyard.db.tables.base import metadata as metadata
from modelyard.db.tables.builds import *  # noqa: F403
from modelyard.db.tables.catalog import *  # noqa: F403
from modelyard.db.tables.comments import *  # noqa: F403
from modelyard.db.tables.datasets import *  # noqa: F403
from modelyard.db.tables.deployments import *  # noqa: F403
from modelyard.db.tables.jobs import *  # noqa: F403
from modelyard.db.tables.log import *  # noqa: F403
from modelyard.db.tables.monitoring import *  # noqa: F403
from modelyard.db.tables.oidc import *  # noqa: F403
from modelyard.db.tables.outbox import *  # noqa: F403
from modelyard.db.tables.promotion import *  # noqa: F403
from modelyard.db.tables.reports import *  # noqa: F403
from modelyard.db.tables.runs import *  # noqa: F403
from modelyard.db.tables.schedules import *  # noqa: F403
from modelyard.db.tables.uploads import *  # noqa: F403
from modelyard.db.tables.versions import *  # noqa: F403
