"""Settings of hypothesis: the same examples each run, unless HYPOTHESIS_PROFILE=explore."""

import os

from hypothesis import HealthCheck, settings

COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("steady", derandomize=True, max_examples=25, **COMMON)
settings.register_profile("explore", max_examples=300, **COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
