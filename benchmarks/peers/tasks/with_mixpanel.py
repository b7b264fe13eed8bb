"""What an engineer writes with the mixpanel SDK: local evaluation of a flag."""

from mixpanel.flags.local_feature_flags import LocalFeatureFlagsProvider
from mixpanel.flags.types import ExperimentationFlag, LocalFlagsConfig, SelectedVariant


def assign(definition, ids):
    provider = LocalFeatureFlagsProvider("token", LocalFlagsConfig(enable_polling=False), "peers", lambda *_: None)
    flag = ExperimentationFlag.from_dict(definition)
    provider._flag_definitions = {flag.key: flag}  # without a server: what polling would have brought
    none = SelectedVariant(variant_value=None)
    return [provider.get_variant(flag.key, none, {"distinct_id": i}, report_exposure=False).variant_key for i in ids]
