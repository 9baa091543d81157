"""Settings every test shares: derandomised properties, so that a red run can be repeated."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "pli",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("pli")
